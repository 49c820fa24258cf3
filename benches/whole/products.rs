//! Invented products, 1 kB each, the same ones every time.

use std::fmt::Write as _;
use uuid::Uuid;

/// Which answer of W1 is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    /// All products.
    First,
    /// 1 % renamed and 1 % gone.
    Second,
}

/// A list of products, 1 kB each.
pub(crate) fn products(count: u64, day: Day) -> Vec<u8> {
    let mut out = String::with_capacity(usize::try_from(count).unwrap_or(0) * 1050);
    out.push('[');
    for number in 0..count {
        if day == Day::Second && number % 100 == 13 {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        product(&mut out, number, day == Day::Second && number % 100 == 7);
    }
    out.push(']');
    out.into_bytes()
}

fn product(out: &mut String, number: u64, renamed: bool) {
    let id = |kind: u64, number: u64| Uuid::from_u64_pair(scramble(number * 16 + kind), scramble(number));
    let few = |kind: u64, count: u64| id(kind, number % count);
    let name = if renamed { "Соус томатный острый" } else { "Соус томатный" };
    let cents = scramble(number) % 100_000;
    write!(
        out,
        "{{\"id\":\"{}\",\"deleted\":false,\"name\":\"{name} {number}\",\"description\":\"\",\"num\":\"{number:05}\",\
         \"code\":\"{number}\",\"parent\":\"{}\",\"modifiers\":[],\"taxCategory\":null,\"category\":\"{}\",\
         \"accountingCategory\":\"{}\",\"color\":{{\"red\":170,\"green\":170,\"blue\":170}},\
         \"fontColor\":{{\"red\":0,\"green\":0,\"blue\":0}},\"frontImageId\":null,\"position\":null,\
         \"modifierSchemaId\":null,\"mainUnit\":\"{}\",\"excludedSections\":null,\
         \"defaultSalePrice\":{}.{:02},\"placeType\":null,\"defaultIncludedInMenu\":false,\"type\":\"GOODS\",\
         \"unitWeight\":0.{:03},\"unitCapacity\":1.0,\"storeBalanceLevels\":[{{\"storeId\":\"{}\",\
         \"minBalanceLevel\":2,\"maxBalanceLevel\":null}}],\"useBalanceForSell\":false,\"containers\":[],\
         \"productScaleId\":null,\"barcodes\":[{{\"barcode\":\"{number:013}\",\"containerName\":null}}],\
         \"coldLossPercent\":0.5,\"hotLossPercent\":0,\"outerEconomicActivityNomenclatureCode\":null,\
         \"allergenGroups\":[],\"estimatedPurchasePrice\":{}.9,\"canSetOpenPrice\":false,\"notInStoreMovement\":false}}",
        id(0, number),
        few(1, 400),
        few(2, 4),
        few(3, 2),
        few(4, 6),
        cents / 100,
        cents % 100,
        number % 999 + 1,
        few(5, 12),
        cents % 977,
    )
    .expect("a String takes everything");
}

/// Spreads numbers over all 64 bits, so that ids come in no order, as real ones do.
fn scramble(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
