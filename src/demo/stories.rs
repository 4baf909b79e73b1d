//! Three short stories that make the point.

use super::party::Party;
use super::play::{Message, Play, STORY_MESSAGES, WrongCellKind, receipt_of};
use super::world::FLOWS;
use crate::fault::BoxError;
use crate::figures::thousands;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Records of a story's message.
const STORY_RECORDS: u64 = 40;
/// Longest wait for a commit whose answer nobody reads.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Tells all three.
///
/// # Errors
/// Whatever does not go as the story says.
pub async fn tell(play: &mut Play) -> Result<(), BoxError> {
    cut_line(play).await?;
    wrong_cells(play).await?;
    receiver_down(play).await
}

fn caption(number: u32, zh: &str, en: &str) {
    println!("\n{number}. {en}\n   {zh}");
}

/// A bank's line is cut after the commit; its repeat gets the same receipt, and nothing twice.
async fn cut_line(play: &mut Play) -> Result<(), BoxError> {
    caption(
        1,
        "银行线路在提交后中断：重发得到同一份签收凭证，款项不会确认两次。",
        "A bank's line is cut after the commit: its repeat gets the same receipt, and no money is confirmed twice.",
    );
    let message = Message { flow: 0, number: STORY_MESSAGES + 1, records: STORY_RECORDS, wrong: Vec::new() };
    let mut other_line = Party::new(&play.world.url(), &play.world.identity(FLOWS[0].sender), &play.world.authority())?;
    let exchange = send_and_cut(play, &message, &mut other_line).await?;
    let first = other_line.fetch(&format!("/v1/exchanges/{exchange}/receipt"), "application/json").await?.bytes;
    let total = repeat(play, &message, &first).await?;
    println!(
        "   It sends the same bytes again: the same receipt, {} bytes, bit for bit. The tax bureau's total before and after: {total}.",
        first.len()
    );
    fs::write(play.world.out().join("bank.receipt.json"), &first)?;
    fs::write(play.world.out().join("bank.camt054.xml"), message.submission(play.world.settings.seed).body)?;
    Ok(())
}

/// Sends a message and cuts its line once another one tells of the commit. Gives the exchange's id.
async fn send_and_cut(play: &mut Play, message: &Message, other_line: &mut Party) -> Result<String, BoxError> {
    let seed = play.world.settings.seed;
    let message_id = message.feed(seed).message_id().unwrap_or_default();
    let ask = format!("/v1/exchanges?flow={}&message_id={message_id}", FLOWS[0].name);
    let mut exchange = None;
    let committed = async {
        exchange = tokio::time::timeout(COMMIT_WAIT_MAX, first_exchange(other_line, &ask)).await.ok();
    };
    play.parties[0].submit_and_cut(&message.submission(seed), committed).await?;
    let exchange = exchange.ok_or("the commit of a cut line was not seen")?;
    println!("   The line is cut; over another line the bank asks for message id {message_id} and finds exchange {exchange}.");
    Ok(exchange)
}

/// Asks until the list at an address has an exchange, and gives its id.
async fn first_exchange(line: &mut Party, address: &str) -> String {
    loop {
        if let Ok(reply) = line.fetch(address, "application/json").await
            && let Some(id) = reply.body["exchanges"][0]["exchange"].as_str()
        {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a message again, which must bring its first receipt and no money. Gives the receiver's total.
async fn repeat(play: &mut Play, message: &Message, first: &[u8]) -> Result<String, BoxError> {
    let total = |play: &Play| play.receiver.totals().get(FLOWS[0].name).cloned().unwrap_or_default();
    play.wait_until_delivered().await?;
    let before = total(play);
    let reply = play.send(message).await?;
    if receipt_of(&reply).as_bytes() != first {
        return Err("the repeat has another receipt".into());
    }
    play.wait_until_delivered().await?;
    let after = total(play);
    if (before.records, &before.amounts) != (after.records, &after.amounts) {
        return Err("the repeat changed the receiver's total".into());
    }
    let amounts: Vec<String> = after.amounts.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
    Ok(amounts.join(", "))
}

/// Two wrong cells are named in both languages, and the rest is in.
async fn wrong_cells(play: &mut Play) -> Result<(), BoxError> {
    caption(
        2,
        "一张 GB18030 表格里有两个单元格写错：其余照收，错在哪一格说得清楚。",
        "A table in GB18030 has two wrong cells: the rest is in, and the report names the two.",
    );
    let message = Message {
        flow: 1,
        number: STORY_MESSAGES + 2,
        records: STORY_RECORDS,
        wrong: vec![(12, WrongCellKind::ThirdDecimal), (26, WrongCellKind::ImpossiblePeriod)],
    };
    let reply = play.send(&message).await?;
    let counts = &reply.body["counts"];
    println!("   verdict: {} ({} accepted, {} refused)", text(&reply.body["verdict"]), counts["accepted"], counts["refused"]);
    let findings = reply.body["findings"].as_array().cloned().unwrap_or_default();
    for finding in &findings {
        println!("   row {} 列 {}: found {}", finding["line"], text(&finding["source"]), text(&finding["found"]));
        println!("      {}\n      {}", text(&finding["message_zh"]), text(&finding["message_en"]));
    }
    if findings.len() != 2 {
        return Err(format!("two findings were expected, there are {}", findings.len()).into());
    }
    let report = play.parties[1].fetch(text(&reply.body["report"]), "text/csv").await?;
    let path = refused_rows(play);
    fs::write(&path, &report.bytes)?;
    fs::write(play.world.out().join("platform-income.csv"), message.submission(play.world.settings.seed).body)?;
    println!("   The same as a table that opens in a spreadsheet: {}", path.display());
    Ok(())
}

/// Where the report of the refused rows is put.
pub fn refused_rows(play: &Play) -> PathBuf {
    play.world.out().join("refused-rows.csv")
}

/// A receiver goes down, its deliveries wait, it comes back, and all arrive.
async fn receiver_down(play: &mut Play) -> Result<(), BoxError> {
    caption(3, "接收方停机：投递排队等候，恢复后全部送达。", "A receiver goes down: its deliveries wait; it comes back and all arrive.");
    play.wait_until_delivered().await?;
    let before = play.received();
    play.receiver.down().await;
    let message = Message { flow: 2, number: STORY_MESSAGES + 3, records: STORY_RECORDS, wrong: Vec::new() };
    let reply = play.send(&message).await?;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let totals = play.journal.totals().await?;
    let waiting: u64 = totals.destinations.iter().map(|d| d.queued).sum();
    println!(
        "   While it is down customs is answered as ever ({}): {} records wait for the tax bureau.",
        text(&reply.body["verdict"]),
        thousands(waiting)
    );
    play.receiver.up().await?;
    play.wait_until_delivered().await?;
    println!("   It is back, and holds {} records more.", thousands(play.received() - before));
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
