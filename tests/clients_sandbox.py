#!/usr/bin/env python3
"""Drives the sandbox with clients that know nothing of it: python-telegram-bot, aiogram, google-api-python-client, gspread.

    pip install python-telegram-bot aiogram google-api-python-client gspread
    cargo build && python3 tests/clients_sandbox.py [target/debug/zerkalo]

Starts `zerkalo sandbox`, does with each client what a person's script would, and fails at the first thing that differs.
A client that is not installed is skipped aloud; `--all` as the last argument makes that a failure.
"""

import asyncio
import importlib
import importlib.metadata
import importlib.util
import os
import struct
import sys
import tempfile
import zlib

from sandbox_process import equal, start

ADMIN = 100200300
READERS = -1001234567890
NOT_PLAYED = "not played by this stand-in"


def png(width, height):
    """A grey picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def refused(work, kind, words):
    try:
        await work
    except kind as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {words}")


async def with_python_telegram_bot(settings, _):
    telegram = importlib.import_module("telegram")
    base = settings["TELEGRAM_BASE_URL"]
    async with telegram.Bot(settings["TELEGRAM_BOT_TOKEN"], base_url=f"{base}/bot") as bot:
        equal((await bot.get_me()).is_bot, True)
        chat = await bot.get_chat(READERS)
        equal((chat.type, chat.title), ("supergroup", f"Chat {READERS}"))
        equal((await bot.get_chat(ADMIN)).first_name, f"Chat {ADMIN}")
        sent = await bot.send_message(READERS, "<b>Соль</b> &lt; 5", parse_mode="HTML")
        equal((sent.text, sent.text_html), ("Соль < 5", "<b>Соль</b> &lt; 5"))
        assert sent.date.timestamp() > 0 and sent.chat.id == READERS and sent.from_user.is_bot
        photo = await bot.send_photo(ADMIN, png(40, 30), caption="*Отчёт*", parse_mode="MarkdownV2")
        equal((photo.caption, photo.photo[-1].width, photo.photo[-1].height), ("Отчёт", 40, 30))
        equal(await bot.send_chat_action(ADMIN, "typing"), True)
        bad = telegram.error.BadRequest
        await refused(bot.send_message(ADMIN, "1 < 2", parse_mode="HTML"), bad, "Can't parse entities")
        await refused(bot.send_message(5, "a"), bad, "Chat not found")
        await refused(bot.send_dice(ADMIN), telegram.error.TelegramError, NOT_PLAYED)
    return telegram.__version__


async def with_aiogram(settings, _):
    aiogram = importlib.import_module("aiogram")
    session = importlib.import_module("aiogram.client.session.aiohttp").AiohttpSession
    server = importlib.import_module("aiogram.client.telegram").TelegramAPIServer
    types = importlib.import_module("aiogram.types")
    errors = importlib.import_module("aiogram.exceptions")
    api = server.from_base(settings["TELEGRAM_BASE_URL"])
    async with aiogram.Bot(settings["TELEGRAM_BOT_TOKEN"], session=session(api=api)) as bot:
        equal((await bot.get_me()).username, "zerkalo_demo_bot")
        equal((await bot.get_chat(READERS)).max_reaction_count > 0, True)
        sent = await bot.send_message(ADMIN, "_Соль_", parse_mode="MarkdownV2")
        equal((sent.text, sent.html_text, sent.chat.type), ("Соль", "<i>Соль</i>", "private"))
        photo = types.BufferedInputFile(png(40, 30), "report.png")
        equal((await bot.send_photo(READERS, photo, caption="Отчёт")).caption, "Отчёт")
        bad = errors.TelegramBadRequest
        await refused(bot.send_message(ADMIN, "1.5", parse_mode="MarkdownV2"), bad, "can't parse entities: Character '.'")
        await refused(bot.send_poll(ADMIN, "a", ["b", "c"]), errors.TelegramAPIError, NOT_PLAYED)
    return aiogram.__version__


async def with_google_api_python_client(settings, credentials):
    discovery = importlib.import_module("googleapiclient.discovery")
    error = importlib.import_module("googleapiclient.errors").HttpError
    account = importlib.import_module("google.oauth2.service_account").Credentials
    scopes = ["https://www.googleapis.com/auth/spreadsheets"]
    service = discovery.build(
        "sheets",
        "v4",
        credentials=account.from_service_account_file(credentials, scopes=scopes),
        client_options={"api_endpoint": settings["GOOGLE_SHEETS_BASE_URL"]},
        cache_discovery=False,
    )
    book = {"spreadsheetId": settings["MIN_STOCK_SHEET_ID"]}
    sheets = service.spreadsheets()
    add = {"requests": [{"addSheet": {"properties": {"title": "Лист API"}}}]}
    (reply,) = sheets.batchUpdate(body=add, **book).execute()["replies"]
    equal(reply["addSheet"]["properties"]["title"], "Лист API")
    values = sheets.values()
    row = {"values": [["Соль", 1.5, True]]}
    values.update(range="Лист API!A1", valueInputOption="RAW", body=row, **book).execute()
    added = values.append(range="Лист API!A1", valueInputOption="USER_ENTERED", body=row, **book).execute()
    equal((added["tableRange"], added["updates"]["updatedRange"]), ("'Лист API'!A1:C1", "'Лист API'!A2:C2"))
    seen = values.get(range="Лист API!A1:C2", valueRenderOption="UNFORMATTED_VALUE", **book).execute()
    equal(seen["values"], [["Соль", 1.5, True]] * 2)
    whole = sheets.get(includeGridData=True, ranges="Лист API!A1", **book).execute()
    equal(whole["sheets"][0]["data"][0]["rowData"][0]["values"][0]["formattedValue"], "Соль")
    for request in [
        sheets.create(body={}),
        sheets.batchUpdate(body={"requests": [{"addChart": {}}]}, **book),
        sheets.getByDataFilter(body={}, **book),
    ]:
        try:
            request.execute()
        except error as refusal:
            assert refusal.status_code == 501 and NOT_PLAYED in str(refusal), refusal
        else:
            raise AssertionError(f"not refused: {request.uri}")
    return importlib.metadata.version("google-api-python-client")


async def with_gspread(settings, credentials):
    gspread = importlib.import_module("gspread")
    Redirected = importlib.import_module("google_sandbox").Redirected
    Redirected.base = settings["GOOGLE_SHEETS_BASE_URL"]
    client = gspread.service_account(credentials, http_client=Redirected)
    sheet = client.open_by_key(settings["MIN_STOCK_SHEET_ID"])
    tab = sheet.add_worksheet("Строки", rows=3, cols=3)
    tab.append_row(["Товар", "МИН"])
    tab.append_row(["Соль", "1,5"], value_input_option="USER_ENTERED")
    tab.append_rows([["Сахар", 2], ["Мука", 3]])
    equal(tab.get_all_values(), [["Товар", "МИН"], ["Соль", "1,5"], ["Сахар", "2"], ["Мука", "3"]])
    equal(sheet.worksheet("Строки").row_count, 4)
    data = sheet.fetch_sheet_metadata({"includeGridData": True, "ranges": "Строки!A1"})["sheets"][0]["data"]
    equal(data[0]["rowData"][0]["values"][0]["formattedValue"], "Товар")
    try:
        tab.set_basic_filter()
    except gspread.exceptions.APIError as error:
        assert error.code == 501 and NOT_PLAYED in str(error), error
    else:
        raise AssertionError("a filter is played")
    sheet.del_worksheet(tab)
    return gspread.__version__


CLIENTS = [
    ("python-telegram-bot", "telegram", with_python_telegram_bot),
    ("aiogram", "aiogram", with_aiogram),
    ("google-api-python-client", "googleapiclient", with_google_api_python_client),
    ("gspread", "gspread", with_gspread),
]


async def play(settings, credentials):
    """Plays with every client; how many are missing."""
    missing = 0
    for name, module, play_with in CLIENTS:
        if importlib.util.find_spec(module) is None:
            print(f"skipped: {name} is not installed", file=sys.stderr)
            missing += 1
            continue
        print(f"{name} {await play_with(settings, credentials)} and the sandbox agree")
    return missing


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--all"]
    binary = arguments[0] if arguments else "target/debug/zerkalo"
    with tempfile.TemporaryDirectory() as directory:
        credentials = os.path.join(directory, "account.json")
        sandbox, settings = start(binary, credentials)
        try:
            missing = asyncio.run(play(settings, credentials))
        finally:
            sandbox.terminate()
            sandbox.wait()
    if missing == len(CLIENTS) or (missing and "--all" in sys.argv):
        sys.exit(1)


if __name__ == "__main__":
    main()
