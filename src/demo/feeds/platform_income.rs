//! The quarterly income table of an internet platform: CSV in GB18030 with Chinese headings.
//!
//! Four header rows (label and value), then the headings, then a row for each shop. Gross income is
//! labour remuneration plus other income; fees are less than either. The period is 2026Q3. The
//! official annex was not available; the headings are those of the State Council's order 810 and of
//! announcement 2025 No. 15 as they were published.

use super::chance::Chance;
use super::parties::{Party, company, rare_character};
use super::text::{Sheet, hundredths};
use super::{Expected, Fact, Feed, Size, TakeFact, Written, WrongCell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

const FEED: u64 = 810;

/// Headings of the columns, in the order of the file.
pub const HEADINGS: [&str; 8] = [
    "收入来源的互联网平台名称",
    "店铺（用户）唯一标识码",
    GROSS,
    "劳务报酬",
    "从事其他网络交易活动取得的收入（净额）",
    "支付给平台的佣金、服务费合计",
    TRANSACTIONS,
    PERIOD,
];
const GROSS: &str = "收入总额";
const TRANSACTIONS: &str = "交易（订单）笔数";
const PERIOD: &str = "收入所属期间";

/// Rows before the first record, the headings included.
const ROWS_BEFORE: u64 = 5;

/// Magnitudes of amounts in fen: a yuan to a million.
const MAGNITUDES: &[u32] = &[2, 3, 4, 4, 5, 5, 5, 6, 6, 7];

/// An income table.
#[derive(Clone, Debug)]
pub struct PlatformIncome {
    /// The seed.
    pub seed: u64,
    /// Which message of the seed: others have other shops.
    pub message: u64,
    /// How many rows.
    pub size: Size,
    /// Records, counted from 1, that have a cell made wrong.
    pub wrong: BTreeMap<u64, Wrong>,
}

/// What is wrong in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// 收入总额 has a third decimal.
    ThirdDecimal,
    /// 收入所属期间 names a fifth quarter.
    ImpossiblePeriod,
    /// 交易（订单）笔数 is written with full-width digits.
    FullWidthDigits,
}

struct Row {
    platform: String,
    seller: String,
    labour: u64,
    other: u64,
    fees: u64,
    transactions: u64,
}

impl Feed for PlatformIncome {
    fn write(&self, into: &mut dyn Write, mut facts: Option<TakeFact>) -> io::Result<Written> {
        let mut chance = Chance::of_message(self.seed, FEED, self.message);
        let mut sheet = Sheet::new(into, encoding_rs::GB18030);
        let operator = self.operator();
        write_head(&mut sheet, &operator);
        sheet.flush(0)?;

        while sheet.wants_more(self.size) {
            let record = sheet.next_record();
            let row = self.row(&mut chance, record);
            let mut cells = row.cells();
            let wrong = self.wrong.get(&record).map(|wrong| wrong.spoil(&mut cells, record));
            write_row(&mut sheet, &cells);
            if let Some(take) = facts.as_mut() {
                let expected = wrong.map_or_else(|| Expected::Accepted(canonical(&operator, &row)), Expected::Refused);
                take(Fact { record, expected });
            }
            sheet.flush(1)?;
        }
        Ok(sheet.written())
    }

    fn content_type(&self) -> &'static str {
        "text/csv; charset=GB18030; header=present"
    }

    fn message_id(&self) -> Option<String> {
        None
    }

    fn file_name(&self) -> String {
        format!("SYN-810-{:08X}-{:06}.csv", self.seed & 0xFFFF_FFFF, self.message)
    }
}

impl PlatformIncome {
    fn operator(&self) -> Party {
        // A source of its own: the operator is the seed's, the same in all messages.
        company(&mut Chance::of_message(self.seed, FEED, u64::MAX))
    }

    fn row(&self, chance: &mut Chance, record: u64) -> Row {
        let labour = if chance.one_in(3) { chance.amount(MAGNITUDES) } else { 0 };
        let other = if labour == 0 || chance.one_in(4) { chance.amount(MAGNITUDES) } else { 0 };
        let platform = match chance.below(50) {
            0 => format!("{}市优选", rare_character(chance)),
            1..=9 => "云集拍卖".to_owned(),
            10..=19 => "“微店”, 同城".to_owned(),
            _ => "云集商城".to_owned(),
        };
        Row {
            platform,
            seller: format!("SYN{:08X}{:06}D{record:08}", self.seed & 0xFFFF_FFFF, self.message),
            labour,
            other,
            fees: (labour + other) * chance.within(1..=12) / 100,
            transactions: 1 + (labour + other) / chance.within(1_500..=60_000),
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 8] {
        [
            self.platform.clone(),
            self.seller.clone(),
            hundredths(self.labour + self.other),
            hundredths(self.labour),
            hundredths(self.other),
            hundredths(self.fees),
            self.transactions.to_string(),
            "2026Q3".to_owned(),
        ]
    }
}

impl Wrong {
    /// Makes the cell wrong and tells which it is.
    fn spoil(self, cells: &mut [String; 8], record: u64) -> WrongCell {
        let [_, _, gross, _, _, _, transactions, period] = cells;
        let (column, found, cell) = match self {
            Self::ThirdDecimal => (GROSS, format!("{gross}5"), gross),
            Self::FullWidthDigits => (TRANSACTIONS, full_width(transactions), transactions),
            Self::ImpossiblePeriod => (PERIOD, "2026Q5".to_owned(), period),
        };
        cell.clone_from(&found);
        WrongCell { row: ROWS_BEFORE + record, column, found }
    }
}

/// The canonical `platform-income.v1` of a row.
fn canonical(operator: &Party, row: &Row) -> Value {
    json!({
        "operator": { "name": operator.name, "taxpayer_number": operator.taxpayer_number },
        "platform_name": "云集商城（模拟数据）",
        "reported_on": "2026-10-20",
        "platform": row.platform,
        "seller_id": row.seller,
        "gross_income": hundredths(row.labour + row.other),
        "labour_income": hundredths(row.labour),
        "other_income": hundredths(row.other),
        "fees": hundredths(row.fees),
        "currency": "CNY",
        "transactions": row.transactions,
        "period": "2026-07-01/2026-09-30",
    })
}

fn write_head(sheet: &mut Sheet, operator: &Party) {
    for (label, value) in [
        ("互联网平台企业名称", operator.name.as_str()),
        ("统一社会信用代码（纳税人识别号）", &operator.taxpayer_number),
        ("平台名称", "云集商城（模拟数据）"),
        ("报送日期", "2026-10-20"),
    ] {
        write_row(sheet, &[label, value]);
    }
    write_row(sheet, &HEADINGS);
}

/// A row per RFC 4180: quoted where it must be, ended by CR LF.
fn write_row(sheet: &mut Sheet, cells: &[impl AsRef<str>]) {
    for (place, cell) in cells.iter().map(AsRef::as_ref).enumerate() {
        if place > 0 {
            sheet.text.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            sheet.text.extend(["\"", &cell.replace('"', "\"\""), "\""]);
        } else {
            sheet.text.push_str(cell);
        }
    }
    sheet.text.push_str("\r\n");
}

/// ASCII digits as the full-width digits that Chinese input methods write.
fn full_width(digits: &str) -> String {
    digits.chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap_or(c)).collect()
}
