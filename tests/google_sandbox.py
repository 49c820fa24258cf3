#!/usr/bin/env python3
"""Drives the sandbox's Google side with gspread, a client that knows nothing of it.

    pip install gspread
    cargo build && python3 tests/google_sandbox.py [target/debug/zerkalo]

Starts `zerkalo sandbox`, works on a tab as a person's script would, and fails at the first thing that differs.
"""

import os
import sys
import tempfile

import gspread
from gspread.utils import ValueInputOption, ValueRenderOption

from sandbox_process import equal, start

GOOGLE = "https://sheets.googleapis.com/"


class Redirected(gspread.HTTPClient):
    """gspread's client with another address of the API."""

    base = GOOGLE

    def request(self, method, endpoint, *args, **kwargs):
        assert endpoint.startswith(GOOGLE), endpoint
        return super().request(method, endpoint.replace(GOOGLE, self.base, 1), *args, **kwargs)


def refused(work, code, words):
    try:
        work()
    except gspread.exceptions.APIError as error:
        equal(error.code, code)
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {words}")


def values(sheet):
    tab = sheet.add_worksheet("Кафе 'У моря'!", rows=20, cols=6)
    equal([found.title for found in sheet.worksheets()], ["Лист1", "Кафе 'У моря'!"])
    equal(tab.get_all_values(), [[]])
    tab.update([["Товар", "МИН"], ["Соль", "1,5"]], "A1", value_input_option=ValueInputOption.raw)
    tab.update([["=1+2", "2,5", "'7"]], "A3", value_input_option=ValueInputOption.user_entered)
    plain = ValueRenderOption.unformatted
    equal(tab.get("A1:F", value_render_option=plain), [["Товар", "МИН"], ["Соль", "1,5"], [3, 2.5, "7"]])
    equal(tab.get("A3:C3"), [["3", "2,5", "7"]])
    equal(tab.acell("A3", value_render_option=ValueRenderOption.formula).value, "=1+2")
    tab.batch_update([{"range": "E1", "values": [["x"]]}, {"range": "E3:F3", "values": [[1, True]]}])
    equal([list(found) for found in tab.batch_get(["E1:F3", "D1:D9"])], [[["x"], [], ["1", "TRUE"]], []])
    tab.batch_clear(["E1:F3"])
    equal(tab.col_values(5), [])
    refused(lambda: tab.update([["x"]], "A21"), 400, "exceeds grid limits")
    refused(lambda: tab.update([[1], [2]], "A1:A1"), 400, "tried writing")
    return tab


def rows(tab):
    tab.insert_rows([["first"], ["second"]], row=2)
    equal(tab.col_values(1), ["Товар", "first", "second", "Соль", "3"])
    tab.delete_rows(2, 3)
    equal(tab.col_values(1), ["Товар", "Соль", "3"])
    equal(tab.row_count, 20)
    tab.freeze(rows=1)
    tab.sort((1, "asc"), range="A2:B3")
    equal(tab.col_values(1), ["Товар", "3", "Соль"])
    tab.resize(rows=5)
    refused(lambda: tab.delete_rows(2, 5), 400, "not possible to delete all non-frozen rows")
    tab.add_cols(1)
    tab.hide_columns(1, 2)
    tab.columns_auto_resize(0, 1)


def looks(sheet, tab):
    tab.format("A1:B1", {"textFormat": {"bold": True}, "horizontalAlignment": "CENTER"})
    tab.merge_cells("C1:D1")
    refused(lambda: tab.merge_cells("D1:E1"), 400, "merged range")
    dimension = {"sheetId": tab.id, "dimension": "COLUMNS", "startIndex": 2, "endIndex": 4}
    sheet.batch_update({"requests": [{"moveDimension": {"source": dimension, "destinationIndex": 6}}]})
    params = {
        "ranges": "'Кафе ''У моря''!'!A1:G1",
        "fields": "sheets(merges,properties(gridProperties),data(columnMetadata(pixelSize,hiddenByUser),"
        "rowData.values.userEnteredFormat(textFormat.bold,horizontalAlignment)))",
    }
    (seen,) = sheet.fetch_sheet_metadata(params)["sheets"]
    grid = {"rowCount": 5, "columnCount": 7, "frozenRowCount": 1}
    equal(seen["properties"], {"gridProperties": grid})
    (merge,) = seen["merges"]
    equal((merge["startColumnIndex"], merge["endColumnIndex"]), (4, 6))
    bold = {"userEnteredFormat": {"textFormat": {"bold": True}, "horizontalAlignment": "CENTER"}}
    equal(seen["data"][0]["rowData"], [{"values": [bold, bold]}])
    widths = seen["data"][0]["columnMetadata"]
    equal([width.get("hiddenByUser", False) for width in widths], [False, True] + [False] * 5)
    equal([width["pixelSize"] for width in widths], [45] + [100] * 6)
    refused(lambda: sheet.batch_update({"requests": [{"addSheet": {"title": "x"}}]}), 400, "Unknown name")


def tabs(client, sheet, tab):
    copy = tab.duplicate(new_sheet_name="Копия")
    equal(copy.acell("A1").value, "Товар")
    copy.update_title("Копия 2")
    copy.hide()
    equal(copy.isSheetHidden, True)
    sheet.del_worksheet(copy)
    equal([found.title for found in sheet.worksheets()], ["Лист1", "Кафе 'У моря'!"])
    for opened, code in [("sandbox-sheet", None), ("other", 404)]:
        try:
            equal((client.open_by_key(opened).id, code), (opened, None))
        except gspread.exceptions.SpreadsheetNotFound:
            equal(code, 404)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/debug/zerkalo"
    with tempfile.TemporaryDirectory() as directory:
        credentials = os.path.join(directory, "account.json")
        sandbox, settings = start(binary, credentials)
        try:
            equal(os.stat(credentials).st_mode & 0o777, 0o600)
            Redirected.base = settings["GOOGLE_SHEETS_BASE_URL"]
            client = gspread.service_account(credentials, http_client=Redirected)
            sheet = client.open_by_key(settings["MIN_STOCK_SHEET_ID"])
            tab = values(sheet)
            rows(tab)
            looks(sheet, tab)
            tabs(client, sheet, tab)
        finally:
            sandbox.terminate()
            sandbox.wait()
    print(f"gspread {gspread.__version__} and the sandbox agree")


if __name__ == "__main__":
    main()
