//! Made-up companies, people and accounts that look like real ones.
//!
//! Divisions, bank codes and character repertoires are real; every name and number is chance's.

use super::chance::Chance;
use super::digits::{USCC_CHARACTERS, card_check, iban_check, organization_check, resident_check, uscc_check};

/// GB/T 2260 divisions at county level, and what companies there call the place.
const PLACES: &[(&str, &str)] = &[
    ("110105", "北京"),
    ("110108", "北京"),
    ("120101", "天津"),
    ("210102", "沈阳"),
    ("310104", "上海"),
    ("310112", "上海"),
    ("310115", "上海"),
    ("320102", "南京"),
    ("320505", "苏州"),
    ("330102", "杭州"),
    ("330106", "杭州"),
    ("330108", "杭州"),
    ("330203", "宁波"),
    ("330782", "义乌"),
    ("340104", "合肥"),
    ("350203", "厦门"),
    ("370102", "济南"),
    ("370203", "青岛"),
    ("410105", "郑州"),
    ("420106", "武汉"),
    ("430102", "长沙"),
    ("440106", "广州"),
    ("440304", "深圳"),
    ("440305", "深圳"),
    ("441900", "东莞"),
    ("500103", "重庆"),
    ("510104", "成都"),
    ("530102", "昆明"),
    ("610113", "西安"),
];

const BRANDS: &[&str] = &[
    "云帆", "海岳", "瑞禾", "明德", "启衡", "恒泽", "锦程", "远桥", "嘉木", "星澜", "华棠", "博冠", "盛禹", "泰和", "新畴", "宏图", "金穗",
    "蓝湾", "青禾", "中屹", "天璞", "聚丰", "润泽", "卓尔", "鼎晟", "晨曦", "广源", "亿通", "百川", "同辉", "正阳", "永嘉", "飞鸿", "佳禾",
    "长青", "沃土",
];

const TRADES: &[&str] = &[
    "科技",
    "贸易",
    "信息技术",
    "供应链管理",
    "电子商务",
    "机械制造",
    "纺织品",
    "食品",
    "医疗器械",
    "建筑工程",
    "文化传媒",
    "物流",
    "新能源",
    "餐饮管理",
    "进出口",
    "生物医药",
    "精密仪器",
    "家居用品",
];

const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "林", "罗", "高", "郑", "梁",
    "欧阳", "诸葛",
];

const GIVEN_NAMES: &[&str] = &[
    "伟", "芳", "敏", "静", "建国", "秀英", "志强", "丽华", "晓东", "雨桐", "子涵", "浩然", "欣怡", "俊杰", "思远", "梦琪", "文博", "佳宁",
    "一诺", "嘉懿",
];

/// Characters that stand in names and take four bytes in GB18030, in and beyond the basic plane.
const FOUR_BYTE_CHARACTERS: &[&str] = &["㛃", "㻏", "𠮷", "𨱏", "𫘧", "𬭎", "𬍛"];

/// BICs of banks in China.
const BANKS: &[&str] = &[
    "ICBKCNBJ",
    "PCBCCNBJ",
    "ABOCCNBJ",
    "BKCHCNBJ",
    "COMMCNSH",
    "CMBCCNBS",
    "MSBCCNBJ",
    "SPDBCNSH",
    "PSBCCNBJ",
    "ICBKCNBJXXX",
    "BKCHCNBJXXX",
];

/// Foreign payers: company, country, length of the account number in the IBAN, BIC.
const FOREIGNERS: &[(&str, &str, usize, &str)] = &[
    ("Rheinhafen Handels GmbH", "DE", 18, "DEUTDEFF"),
    ("Müller & Söhne Maschinenbau KG", "DE", 18, "COBADEFFXXX"),
    ("Donau Spedition GmbH", "AT", 16, "BKAUATWW"),
];

/// Where a party keeps its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// An account with an IBAN.
    Iban(String),
    /// A Chinese account: 19 digits.
    Number(String),
}

/// A company or a person, with a bank account.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its taxpayer number, 18 characters: a company's unified social credit code, or a person's
    /// resident identity number.
    pub taxpayer_number: String,
    /// Its account.
    pub account: Account,
    /// The BIC of its bank.
    pub bank: &'static str,
}

/// A company in China.
pub fn company(chance: &mut Chance) -> Party {
    let (division, place) = chance.pick(PLACES);
    Party {
        name: company_name(chance, place),
        taxpayer_number: credit_code(chance, division),
        account: Account::Number(account_number(chance)),
        bank: chance.pick(BANKS),
    }
}

/// Someone who pays taxes: mostly companies, one in eight a person, one in 40 a foreign company that
/// pays from an account with an IBAN.
pub fn taxpayer(chance: &mut Chance) -> Party {
    let mut party = company(chance);
    match chance.below(40) {
        0 => {
            let (name, country, length, bank) = chance.pick(FOREIGNERS);
            let number = chance.digits(length);
            party.account = Account::Iban(format!("{country}{}{number}", iban_check(country, &number)));
            party.name = name.to_owned();
            party.bank = bank;
        }
        1..=5 => {
            let (division, _) = chance.pick(PLACES);
            party.name = person_name(chance, 20);
            party.taxpayer_number = resident_number(chance, division);
        }
        _ => {}
    }
    party
}

/// A unified social credit code of a company in a division.
pub fn credit_code(chance: &mut Chance, division: &str) -> String {
    // Codes given since 2015 begin with MA; older ones were given out in digits.
    let organization = if chance.one_in(3) { chance.digits(8) } else { format!("MA{}", chance.text(USCC_CHARACTERS, 6)) };
    let code = format!("91{division}{organization}{}", organization_check(&organization));
    let check = uscc_check(&code);
    code + &check.to_string()
}

/// A resident identity number of someone born between 1960 and 1999.
pub fn resident_number(chance: &mut Chance, division: &str) -> String {
    let born = format!("{}{:02}{:02}", chance.within(1960..=1999), chance.within(1..=12), chance.within(1..=28));
    let number = format!("{division}{born}{}", chance.digits(3));
    let check = resident_check(&number);
    number + &check.to_string()
}

/// A 19-digit account number with its check digit.
pub fn account_number(chance: &mut Chance) -> String {
    let number = format!("62{}", chance.digits(16));
    let check = card_check(&number);
    number + &check.to_string()
}

/// A person's name; one in `rare_one_in` has a character of four bytes in GB18030.
pub fn person_name(chance: &mut Chance, rare_one_in: u64) -> String {
    let surname = chance.pick(SURNAMES);
    let given = if chance.one_in(rare_one_in) { rare_character(chance) } else { chance.pick(GIVEN_NAMES) };
    format!("{surname}{given}")
}

/// A character that takes four bytes in GB18030.
pub fn rare_character(chance: &mut Chance) -> &'static str {
    chance.pick(FOUR_BYTE_CHARACTERS)
}

fn company_name(chance: &mut Chance, place: &str) -> String {
    let (brand, trade) = (chance.pick(BRANDS), chance.pick(TRADES));
    match chance.below(20) {
        0 => format!("{place}{brand}{trade}股份有限公司"),
        1 => format!("{brand}（{place}）{trade}有限公司"),
        2 => format!("{place}{brand}A&B{trade}有限公司"),
        3 => format!("{place}{}{trade}经营部", person_name(chance, 4)),
        _ => format!("{place}{brand}{trade}有限公司"),
    }
}
