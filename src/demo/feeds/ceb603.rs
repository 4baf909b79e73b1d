//! Export inventory lists of cross-border e-commerce: CEB603Message of the China e-port.
//!
//! Declared as UTF-8 or as GB2312. A GB2312 body holds GBK and GB18030 characters where names have
//! them, as real ones do. Currencies and countries are customs codes: 142 is CNY as a currency and
//! China as a country, 116 is JPY and Japan.

use super::chance::Chance;
use super::parties::{Party, company, person_name};
use super::text::{Sheet, hundredths};
use super::{Expected, Fact, Feed, Size, TakeFact, Written};
use serde_json::{Value, json};
use std::io::{self, Write};

const FEED: u64 = 603;

/// Most items of one inventory list.
const ITEMS_MAX: u64 = 5;

/// Customs offices at which parcels leave.
const OFFICES: &[&str] = &["0101", "2225", "2233", "5141", "5301", "5316"];

/// Countries: customs code, ISO 3166-1.
pub const COUNTRIES: &[(&str, &str)] = &[
    ("116", "JP"),
    ("122", "MY"),
    ("132", "SG"),
    ("133", "KR"),
    ("136", "TH"),
    ("303", "GB"),
    ("304", "DE"),
    ("305", "FR"),
    ("307", "IT"),
    ("309", "NL"),
    ("312", "ES"),
    ("501", "CA"),
    ("502", "US"),
    ("601", "AU"),
];

/// Currencies: customs code, ISO 4217. Most goods are declared in CNY.
pub const CURRENCIES: &[(&str, &str)] = &[("142", "CNY"), ("142", "CNY"), ("142", "CNY"), ("502", "USD"), ("300", "EUR"), ("303", "GBP")];

/// Goods: HS code, name, specification, customs code of the unit, grams of one.
const GOODS: &[(&str, &str, &str, &str, u64)] = &[
    ("6109100010", "棉制针织T恤衫", "针织|100%棉|男式", "011", 180),
    ("4202220000", "手提包", "涤纶面|无牌", "007", 620),
    ("8517130000", "智能手机", "5G|128GB", "001", 190),
    ("8518300000", "无线耳机", "蓝牙|入耳式", "007", 60),
    ("9503006000", "智力玩具", "拼装积木|塑料", "007", 450),
    ("6404110000", "运动鞋", "橡胶底|纺织材料面", "025", 780),
    ("7117190000", "仿首饰", "合金|项链", "007", 40),
    ("8508110000", "真空吸尘器", "手持|120W", "001", 1_350),
    ("8471607200", "鼠标器", "光电|无线", "007", 95),
    ("3926400000", "塑料装饰品", "ABS塑料|摆件", "007", 210),
];

/// How a message is encoded and declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// `GB2312`, written with the whole of GB18030.
    Gb2312,
}

/// A CEB603 message.
#[derive(Clone, Copy, Debug)]
pub struct Ceb603 {
    /// The seed.
    pub seed: u64,
    /// Which message of the seed: others have other numbers and goods.
    pub message: u64,
    /// How many inventory lists, of one to five items each.
    pub size: Size,
    /// How it is encoded.
    pub charset: Charset,
}

/// Who declares: the same in all messages of a seed.
struct Parties {
    platform: Party,
    carrier: Party,
    declarant: Party,
}

struct Inventory {
    guid: String,
    serial: String,
    /// Customs' number of the list: office, year, 0 for export, nine digits.
    declaration_number: String,
    office: &'static str,
    merchant: Party,
    country: (&'static str, &'static str),
    freight: u64,
    insurance: u64,
    flight: String,
    bill: String,
    packages: u64,
    note: String,
    items: Vec<Item>,
}

struct Item {
    number: u64,
    goods: (&'static str, &'static str, &'static str, &'static str, u64),
    currency: (&'static str, &'static str),
    quantity: u64,
    price: u64,
}

impl Feed for Ceb603 {
    fn write(&self, into: &mut dyn Write, mut facts: Option<TakeFact>) -> io::Result<Written> {
        let mut chance = Chance::of_message(self.seed, FEED, self.message);
        let (encoding, declared) = match self.charset {
            Charset::Utf8 => (encoding_rs::UTF_8, "UTF-8"),
            Charset::Gb2312 => (encoding_rs::GB18030, "GB2312"),
        };
        let mut sheet = Sheet::new(into, encoding);
        let (guid, parties) = (self.guid(), self.parties());
        sheet.text.extend(["<?xml version=\"1.0\" encoding=\"", declared, "\"?>\n"]);
        sheet.text.push_str("<!-- SYNTHETIC 模拟数据: made from a seed; no declaration or company is real. -->\n");
        sheet.open(&format!("ceb:CEB603Message guid=\"{guid}\" version=\"1.0\" xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\""));
        sheet.flush(0)?;

        while sheet.wants_more(self.size) {
            let record = sheet.next_record();
            let inventory = self.inventory(&mut chance, record);
            write_inventory(&mut sheet, &parties, &inventory);
            if let Some(take) = facts.as_mut() {
                take(Fact { record, expected: Expected::Accepted(canonical(&guid, &parties, &inventory)) });
            }
            sheet.flush(1)?;
        }

        write_transfer(&mut sheet, &parties.declarant);
        sheet.close("ceb:CEB603Message");
        sheet.flush(0)?;
        Ok(sheet.written())
    }

    fn content_type(&self) -> &'static str {
        "application/xml"
    }

    fn message_id(&self) -> Option<String> {
        Some(self.guid())
    }

    fn file_name(&self) -> String {
        format!("SYN-CEB603-{:08X}-{:06}.xml", self.seed & 0xFFFF_FFFF, self.message)
    }
}

impl Ceb603 {
    fn guid(&self) -> String {
        Chance::of_message(self.seed, FEED + 1, self.message).uuid().to_uppercase()
    }

    fn parties(&self) -> Parties {
        let mut chance = Chance::of_message(self.seed, FEED, u64::MAX);
        Parties { platform: company(&mut chance), carrier: company(&mut chance), declarant: company(&mut chance) }
    }

    fn inventory(&self, chance: &mut Chance, record: u64) -> Inventory {
        let currency = chance.pick(CURRENCIES);
        let items = (1..=chance.within(1..=ITEMS_MAX)).map(|number| Item {
            number,
            goods: chance.pick(GOODS),
            currency,
            quantity: chance.within(1..=6),
            price: chance.amount(&[3, 4, 4]),
        });
        let items: Vec<_> = items.collect();
        let office = chance.pick(OFFICES);
        Inventory {
            guid: chance.uuid().to_uppercase(),
            serial: format!("{:08X}{:06}{record:08}", self.seed & 0xFFFF_FFFF, self.message),
            declaration_number: format!("{office}20260{:09}", self.message.wrapping_mul(100_000).wrapping_add(record) % 1_000_000_000),
            office,
            merchant: company(chance),
            country: chance.pick(COUNTRIES),
            freight: chance.amount(&[3]),
            insurance: chance.amount(&[2]),
            flight: format!("CA{}", chance.digits(4)),
            bill: format!("999-{}", chance.digits(8)),
            packages: chance.within(1..=3),
            note: format!("SYNTHETIC 收件人 {}", person_name(chance, 8)),
            items,
        }
    }
}

impl Inventory {
    /// Net weight in grams.
    fn net_grams(&self) -> u64 {
        self.items.iter().map(|item| item.quantity * item.goods.4).sum()
    }

    /// Gross weight in grams: 120 for the packing of each package.
    fn gross_grams(&self) -> u64 {
        self.net_grams() + self.packages * 120
    }
}

/// The canonical `customs-declaration.v1` of a list.
fn canonical(guid: &str, parties: &Parties, inventory: &Inventory) -> Value {
    let party = |company: &Party| json!({ "code": company.taxpayer_number, "name": company.name });
    json!({
        "message_id": guid,
        "declaration_id": inventory.guid,
        "application_type": "new",
        "applied_at": "2026-10-20T09:30:00+08:00",
        "application_status": "declared",
        "customs_office": inventory.office,
        "platform": party(&parties.platform),
        "order_number": format!("SYNO{}", inventory.serial),
        "carrier": party(&parties.carrier),
        "waybill_number": format!("SYNW{}", inventory.serial),
        "internal_number": format!("SYNC{}", inventory.serial),
        "pre_entry_number": format!("SYNP{}", inventory.serial),
        "declaration_number": inventory.declaration_number,
        "direction": "export",
        "exit_port": inventory.office,
        "export_date": "2026-10-20",
        "statistics_flag": "A",
        "declarant": party(&parties.declarant),
        "merchant": party(&inventory.merchant),
        "owner": party(&inventory.merchant),
        "trade_mode": "9610",
        "transport_mode": "4",
        "transport_name": "AIR",
        "voyage_number": inventory.flight,
        "bill_number": inventory.bill,
        "destination_country": inventory.country.1,
        "destination_port": inventory.country.0,
        "freight": { "value": hundredths(inventory.freight), "currency": "CNY", "method": "total" },
        "insurance": { "value": hundredths(inventory.insurance), "currency": "CNY", "method": "total" },
        "packaging_type": "2",
        "packages": inventory.packages,
        "gross_weight": kilograms(inventory.gross_grams()),
        "net_weight": kilograms(inventory.net_grams()),
        "note": inventory.note,
        "items": inventory.items.iter().map(|item| canonical_item(inventory, item)).collect::<Vec<_>>(),
    })
}

fn canonical_item(inventory: &Inventory, item: &Item) -> Value {
    let (hs_code, name, specification, unit, grams) = item.goods;
    json!({
        "number": item.number,
        "merchant_item_number": format!("G{}", hs_code),
        "hs_code": hs_code,
        "name": name,
        "specification": specification,
        "destination_country": inventory.country.1,
        "currency": item.currency.1,
        "quantity": item.quantity.to_string(),
        "statutory_quantity": item.quantity.to_string(),
        "second_quantity": kilograms(item.quantity * grams),
        "unit": unit,
        "statutory_unit": unit,
        "second_unit": "KGM",
        "price": hundredths(item.price),
        "total_price": hundredths(item.price * item.quantity),
    })
}

fn write_inventory(sheet: &mut Sheet, parties: &Parties, inventory: &Inventory) {
    sheet.open("ceb:Inventory");
    write_head(sheet, parties, inventory);
    for item in &inventory.items {
        write_item(sheet, inventory, item);
    }
    sheet.close("ceb:Inventory");
}

fn write_head(sheet: &mut Sheet, parties: &Parties, inventory: &Inventory) {
    let serial = &inventory.serial;
    sheet.open("ceb:InventoryHead");
    for (tag, text) in [
        ("ceb:guid", inventory.guid.as_str()),
        ("ceb:appType", "1"),
        ("ceb:appTime", "20261020093000"),
        ("ceb:appStatus", "2"),
        ("ceb:customsCode", inventory.office),
        ("ceb:ebpCode", &parties.platform.taxpayer_number),
        ("ceb:ebpName", &parties.platform.name),
        ("ceb:orderNo", &format!("SYNO{serial}")),
        ("ceb:logisticsCode", &parties.carrier.taxpayer_number),
        ("ceb:logisticsName", &parties.carrier.name),
        ("ceb:logisticsNo", &format!("SYNW{serial}")),
        ("ceb:copNo", &format!("SYNC{serial}")),
        ("ceb:preNo", &format!("SYNP{serial}")),
        ("ceb:invtNo", &inventory.declaration_number),
        ("ceb:ieFlag", "E"),
        ("ceb:portCode", inventory.office),
        ("ceb:ieDate", "20261020"),
        ("ceb:statisticsFlag", "A"),
        ("ceb:agentCode", &parties.declarant.taxpayer_number),
        ("ceb:agentName", &parties.declarant.name),
        ("ceb:ebcCode", &inventory.merchant.taxpayer_number),
        ("ceb:ebcName", &inventory.merchant.name),
        ("ceb:ownerCode", &inventory.merchant.taxpayer_number),
        ("ceb:ownerName", &inventory.merchant.name),
        ("ceb:tradeMode", "9610"),
        ("ceb:trafMode", "5"),
        ("ceb:trafName", "AIR"),
        ("ceb:voyageNo", &inventory.flight),
        ("ceb:billNo", &inventory.bill),
        ("ceb:country", inventory.country.0),
        ("ceb:POD", inventory.country.0),
        ("ceb:freight", &hundredths(inventory.freight)),
        ("ceb:fCurrency", "142"),
        ("ceb:fFlag", "3"),
        ("ceb:insuredFee", &hundredths(inventory.insurance)),
        ("ceb:iCurrency", "142"),
        ("ceb:iFlag", "3"),
        ("ceb:wrapType", "2"),
        ("ceb:packNo", &inventory.packages.to_string()),
        ("ceb:grossWeight", &kilograms(inventory.gross_grams())),
        ("ceb:netWeight", &kilograms(inventory.net_grams())),
        ("ceb:note", &inventory.note),
    ] {
        sheet.leaf(tag, text);
    }
    sheet.close("ceb:InventoryHead");
}

fn write_item(sheet: &mut Sheet, inventory: &Inventory, item: &Item) {
    let (hs_code, name, specification, unit, grams) = item.goods;
    sheet.open("ceb:InventoryList");
    for (tag, text) in [
        ("ceb:gnum", item.number.to_string().as_str()),
        ("ceb:itemNo", &format!("G{hs_code}")),
        ("ceb:gcode", hs_code),
        ("ceb:gname", name),
        ("ceb:gmodel", specification),
        ("ceb:country", inventory.country.0),
        ("ceb:currency", item.currency.0),
        ("ceb:qty", &item.quantity.to_string()),
        ("ceb:qty1", &item.quantity.to_string()),
        ("ceb:qty2", &kilograms(item.quantity * grams)),
        ("ceb:unit", unit),
        ("ceb:unit1", unit),
        ("ceb:unit2", "035"),
        ("ceb:price", &hundredths(item.price)),
        ("ceb:totalPrice", &hundredths(item.price * item.quantity)),
    ] {
        sheet.leaf(tag, text);
    }
    sheet.close("ceb:InventoryList");
}

fn write_transfer(sheet: &mut Sheet, declarant: &Party) {
    sheet.open("ceb:BaseTransfer");
    sheet.leaf("ceb:copCode", &declarant.taxpayer_number);
    sheet.leaf("ceb:copName", &declarant.name);
    sheet.leaf("ceb:dxpMode", "DXP");
    sheet.leaf("ceb:dxpId", "DXPENTSYNTHETIC001");
    sheet.close("ceb:BaseTransfer");
}

/// Grams as kilograms with three decimals.
fn kilograms(grams: u64) -> String {
    format!("{}.{:03}", grams / 1000, grams % 1000)
}
