//! Payment confirmations of a bank to the treasury: ISO 20022 camt.054.001.08.
//!
//! One notification on one treasury account. Most entries are one transaction; every twelfth or so
//! is a batch of several, whose amounts add up to the entry's. Booking days are in October 2026,
//! the filing season of 2026Q3.

use super::chance::Chance;
use super::parties::{Account, Party, account_number, taxpayer};
use super::text::{Sheet, hundredths};
use super::{Expected, Fact, Feed, Size, TakeFact, Written};
use serde_json::{Value, json};
use std::io::{self, Write};

const FEED: u64 = 54;

/// Magnitudes of amounts in fen: 10 yuan to 100 million, most between a thousand and a hundred thousand.
const MAGNITUDES: &[u32] = &[3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 7, 8, 8, 9];

/// Most transactions of one batch entry.
const BATCH_MAX: u64 = 12;

/// The bank that sends the notification.
const SERVICER: &str = "ICBKCNBJHZU";

const TAXES: &[&str] = &["增值税", "企业所得税", "个人所得税", "城市维护建设税", "印花税", "房产税", "消费税"];

/// A camt.054 message.
#[derive(Clone, Copy, Debug)]
pub struct Camt054 {
    /// The seed.
    pub seed: u64,
    /// Which message of the seed: others have other ids, references and payers.
    pub message: u64,
    /// How many transactions; a batch entry is not cut off, so there may be some more where the
    /// size is in bytes.
    pub size: Size,
}

/// What all transactions of a message share.
struct Notification {
    id: String,
    created: String,
    account: String,
    reference_start: String,
}

/// An entry of the account: one transaction, or a batch of several.
struct Entry {
    reference: String,
    booked: String,
    transactions: Vec<Transaction>,
}

struct Transaction {
    reference: String,
    instruction: String,
    end_to_end: String,
    uetr: String,
    amount: u64,
    payer: Party,
    voucher: String,
    remittance: String,
}

impl Feed for Camt054 {
    fn write(&self, into: &mut dyn Write, mut facts: Option<TakeFact>) -> io::Result<Written> {
        let mut chance = Chance::of_message(self.seed, FEED, self.message);
        let mut sheet = Sheet::new(into, encoding_rs::UTF_8);
        let notification = self.notification();
        open_message(&mut sheet, &notification);
        sheet.flush(0)?;

        while sheet.wants_more(self.size) {
            let first = sheet.next_record();
            let entry = entry(&mut chance, &notification, first, self.left(first));
            write_entry(&mut sheet, &entry);
            if let Some(take) = facts.as_mut() {
                for ((record, number), transaction) in (first..).zip(1..).zip(&entry.transactions) {
                    take(Fact { record, expected: Expected::Accepted(canonical(&notification, &entry, number, transaction)) });
                }
            }
            sheet.flush(entry.transactions.len() as u64)?;
        }

        close_message(&mut sheet);
        sheet.flush(0)?;
        Ok(sheet.written())
    }

    fn content_type(&self) -> &'static str {
        "application/xml"
    }

    fn message_id(&self) -> Option<String> {
        Some(self.notification().id)
    }

    fn file_name(&self) -> String {
        format!("{}.camt.054.001.08.xml", self.notification().id)
    }
}

impl Camt054 {
    fn notification(&self) -> Notification {
        // A source of its own: the account is the seed's, the same in all messages.
        let account = account_number(&mut Chance::of_message(self.seed, FEED, u64::MAX));
        let (seed, message) = (self.seed & 0xFFFF_FFFF, self.message);
        Notification {
            id: format!("SYN-54-{seed:08X}-{message:06}"),
            created: format!("2026-10-20T{:02}:{:02}:{:02}+08:00", 8 + message / 3600 % 12, message / 60 % 60, message % 60),
            account,
            reference_start: format!("SYN{seed:08X}{message:06}"),
        }
    }

    /// The most transactions that the next entry may have.
    fn left(&self, first: u64) -> u64 {
        match self.size {
            Size::Records(records) => records + 1 - first,
            Size::Bytes(_) => BATCH_MAX,
        }
    }
}

fn entry(chance: &mut Chance, notification: &Notification, first: u64, left: u64) -> Entry {
    let count = if chance.one_in(12) { chance.within(2..=BATCH_MAX).min(left) } else { 1 };
    let booked = format!("2026-10-{:02}", chance.within(16..=20));
    let transactions: Vec<_> = (first..first + count).map(|record| transaction(chance, notification, record)).collect();
    let reference = match transactions.as_slice() {
        [single] => single.reference.clone(),
        _ => format!("{}B{first:08}", notification.reference_start),
    };
    Entry { reference, booked, transactions }
}

fn transaction(chance: &mut Chance, notification: &Notification, record: u64) -> Transaction {
    let payer = taxpayer(chance);
    let tax = chance.pick(TAXES);
    Transaction {
        reference: format!("{}T{record:08}", notification.reference_start),
        instruction: format!("{}I{record:08}", notification.reference_start),
        end_to_end: format!("SYN{}", chance.text(b"0123456789ABCDEF", 20)),
        uetr: chance.uuid(),
        amount: chance.amount(MAGNITUDES),
        // 电子税票号码: 18 digits, the second to seventh the division.
        voucher: format!("3{}2610{}", &payer.taxpayer_number[2..8], chance.digits(7)),
        remittance: format!("税号 {} 所属期 2026Q3 {tax}", payer.taxpayer_number),
        payer,
    }
}

/// The canonical `payment-confirmation.v1` of the record, the `number`th of its entry.
fn canonical(notification: &Notification, entry: &Entry, number: usize, transaction: &Transaction) -> Value {
    let total = entry.transactions.iter().map(|transaction| transaction.amount).sum();
    json!({
        "message_id": notification.id,
        "message_created_at": notification.created,
        "notification_id": format!("{}-1", notification.id),
        "notification_created_at": notification.created,
        "account": { "number": notification.account, "currency": "CNY", "servicer_bic": SERVICER },
        "entry": {
            "reference": entry.reference,
            "servicer_reference": entry.reference,
            "amount": hundredths(total),
            "currency": "CNY",
            "credit_debit": "credit",
            "transaction_number": number,
            "bank_transaction_code": { "domain": "PMNT", "family": "RCDT", "subfamily": "DMCT" },
        },
        "amount": hundredths(transaction.amount),
        "currency": "CNY",
        "credit_debit": "credit",
        "reversal": false,
        "status": "booked",
        "booking_date": entry.booked,
        "value_date": entry.booked,
        "servicer_reference": transaction.reference,
        "instruction_id": transaction.instruction,
        "end_to_end_id": transaction.end_to_end,
        "uetr": transaction.uetr,
        "debtor": {
            "name": transaction.payer.name,
            "account": match &transaction.payer.account {
                Account::Iban(iban) => json!({ "iban": iban }),
                Account::Number(number) => json!({ "number": number }),
            },
            "agent_bic": transaction.payer.bank,
        },
        "creditor_references": [{ "reference": transaction.voucher }],
        "remittance_information": [transaction.remittance],
    })
}

fn open_message(sheet: &mut Sheet, notification: &Notification) {
    sheet.text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- SYNTHETIC: made from a seed; no payment, payer or account is real. -->\n",
    );
    sheet.open("Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"");
    sheet.open("BkToCstmrDbtCdtNtfctn");
    sheet.open("GrpHdr");
    sheet.leaf("MsgId", &notification.id);
    sheet.leaf("CreDtTm", &notification.created);
    sheet.close("GrpHdr");
    sheet.open("Ntfctn");
    sheet.leaf("Id", &format!("{}-1", notification.id));
    sheet.leaf("CreDtTm", &notification.created);
    sheet.open("Acct");
    account(sheet, &Account::Number(notification.account.clone()));
    sheet.leaf("Ccy", "CNY");
    sheet.open("Ownr");
    sheet.leaf("Nm", "国家金库示范市中心支库");
    sheet.close("Ownr");
    sheet.text.extend(["<Svcr><FinInstnId><BICFI>", SERVICER, "</BICFI></FinInstnId></Svcr>\n"]);
    sheet.close("Acct");
}

fn close_message(sheet: &mut Sheet) {
    sheet.leaf("AddtlNtfctnInf", "SYNTHETIC 模拟数据");
    sheet.close("Ntfctn");
    sheet.close("BkToCstmrDbtCdtNtfctn");
    sheet.close("Document");
}

fn write_entry(sheet: &mut Sheet, entry: &Entry) {
    let total = hundredths(entry.transactions.iter().map(|transaction| transaction.amount).sum());
    sheet.open("Ntry");
    sheet.leaf("NtryRef", &entry.reference);
    sheet.leaf("Amt Ccy=\"CNY\"", &total);
    sheet.leaf("CdtDbtInd", "CRDT");
    sheet.text.push_str("<Sts><Cd>BOOK</Cd></Sts>\n");
    sheet.text.extend(["<BookgDt><Dt>", &entry.booked, "</Dt></BookgDt>\n<ValDt><Dt>", &entry.booked, "</Dt></ValDt>\n"]);
    sheet.leaf("AcctSvcrRef", &entry.reference);
    sheet.text.push_str("<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>\n");
    sheet.open("NtryDtls");
    if entry.transactions.len() > 1 {
        sheet.open("Btch");
        sheet.leaf("NbOfTxs", &entry.transactions.len().to_string());
        sheet.leaf("TtlAmt Ccy=\"CNY\"", &total);
        sheet.leaf("CdtDbtInd", "CRDT");
        sheet.close("Btch");
    }
    for transaction in &entry.transactions {
        write_transaction(sheet, transaction);
    }
    sheet.close("NtryDtls");
    sheet.close("Ntry");
}

fn write_transaction(sheet: &mut Sheet, transaction: &Transaction) {
    let payer = &transaction.payer;
    sheet.open("TxDtls");
    sheet.open("Refs");
    sheet.leaf("AcctSvcrRef", &transaction.reference);
    sheet.leaf("InstrId", &transaction.instruction);
    sheet.leaf("EndToEndId", &transaction.end_to_end);
    sheet.leaf("UETR", &transaction.uetr);
    sheet.close("Refs");
    sheet.leaf("Amt Ccy=\"CNY\"", &hundredths(transaction.amount));
    sheet.leaf("CdtDbtInd", "CRDT");
    sheet.open("RltdPties");
    sheet.open("Dbtr");
    sheet.open("Pty");
    sheet.leaf("Nm", &payer.name);
    sheet.close("Pty");
    sheet.close("Dbtr");
    sheet.open("DbtrAcct");
    account(sheet, &payer.account);
    sheet.close("DbtrAcct");
    sheet.close("RltdPties");
    sheet.text.extend(["<RltdAgts><DbtrAgt><FinInstnId><BICFI>", payer.bank, "</BICFI></FinInstnId></DbtrAgt></RltdAgts>\n"]);
    sheet.open("RmtInf");
    sheet.leaf("Ustrd", &transaction.remittance);
    sheet.open("Strd");
    sheet.text.extend(["<CdtrRefInf><Ref>", &transaction.voucher, "</Ref></CdtrRefInf>\n"]);
    sheet.text.extend(["<TaxRmt><Dbtr><TaxId>", &payer.taxpayer_number, "</TaxId></Dbtr></TaxRmt>\n"]);
    sheet.close("Strd");
    sheet.close("RmtInf");
    sheet.close("TxDtls");
}

fn account(sheet: &mut Sheet, account: &Account) {
    sheet.open("Id");
    match account {
        Account::Iban(iban) => sheet.leaf("IBAN", iban),
        Account::Number(number) => sheet.text.extend(["<Othr><Id>", number, "</Id></Othr>\n"]),
    }
    sheet.close("Id");
}
