//! The night-duty drill: causes are real certificates, traffic and receivers, each is seen on the first page of the console with
//! whose fault it is, and what the alarm's page says clears it.

use crate::duty::{ask, cleared, open, page, post_reason, quick_file, raised, shown, world_on_duty};
use crate::line::{get, payments, post};
use crate::world::eventually;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A zone in which it is about noon, so that no day ends while the test runs.
fn zone_of_noon() -> String {
    let hour = Timestamp::now().to_zoned_datetime(TimeZone::UTC).hour();
    match 12 - i32::from(hour) {
        0 => "Etc/GMT".to_owned(),
        // The signs of these names are those of POSIX: the other way round.
        east if east > 0 => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

#[tokio::test]
async fn a_receiver_starts_failing() {
    let world = world_on_duty();
    let mut receiver = world.receiver().await;
    world.write("conf/portolan.toml", &quick_file(""));
    let mut gateway = world.serve().await;
    receiver.down().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("WAITING", 3), "")).await.unwrap().exchange();

    let alarm = raised(&world, &gateway, "destination.down", "destination", "bureau/payments").await;
    assert_eq!((alarm["severity"].as_str(), alarm["party"].as_str()), (Some("critical"), Some("receiver")));
    assert_eq!(alarm["figures"]["queued_records"], 3);
    shown(&world, &gateway, &alarm, "bureau", "failing").await;
    let number = alarm["number"].as_u64().unwrap();
    let taken = ask(&world, &gateway, &post_reason(&format!("/v1/alarms/{number}/acknowledge"), "%E5%B7%B2%E7%94%B5%E8%81%94")).await;
    assert_eq!((taken.status, taken.json()["act"]["reason"].as_str()), (200, Some("已电联")));

    // A restart forgets neither the alarm nor who has it.
    gateway.signal("KILL");
    gateway.ended().await;
    let gateway = world.serve().await;
    let again = raised(&world, &gateway, "destination.down", "destination", "bureau/payments").await;
    assert_eq!((again["number"].as_u64(), &again["acknowledged"]["text"]), (Some(number), &"已电联".into()));

    // The action: the receiver is up again, and deliveries go out by themselves.
    receiver.up().await.unwrap();
    let history = cleared(&world, &gateway, &alarm).await;
    assert_eq!(history["acknowledged"]["operator"].as_str().unwrap(), "on-duty");
    assert_eq!(receiver.totals()["payments"].records, 3);
}

#[tokio::test]
async fn a_feed_goes_silent() {
    let world = world_on_duty();
    world.write("conf/portolan.toml", &quick_file(""));
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("BEFORE", 1), "")).await.unwrap().exchange();
    // Another flow is due in two seconds; what came under this one does not count for it.
    let zone = zone_of_noon();
    let due = Timestamp::now() + SignedDuration::from_secs(2);
    let due = due.to_zoned_datetime(TimeZone::get(&zone).unwrap());
    let days = "weekdays = [\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \"sunday\"]";
    let schedule = format!("[schedule]\nevery = \"week\"\n{days}\ntime = \"{}\"\non_holiday = \"expect\"\n", due.strftime("%H:%M:%S"));
    world.flow("incomes", "payment-confirmation.v1", &["bank", "platform"], "payment-confirmation-json", &schedule);
    let text = std::fs::read_to_string(world.path("conf/flows/incomes.toml")).unwrap();
    world.write("conf/flows/incomes.toml", &format!("zone = \"{zone}\"\n{text}"));
    gateway.logs("the new configuration is in force", 1).await;

    let late = raised(&world, &gateway, "feed.late", "partner", "bank").await;
    assert_eq!((late["flow"].as_str(), late["party"].as_str()), (Some("incomes"), Some("sender")));
    assert_eq!(late["figures"]["period"], due.date().to_string());
    shown(&world, &gateway, &late, "bank", "late").await;
    let other = raised(&world, &gateway, "feed.late", "partner", "platform").await;

    // The actions: one sends, the other declares that there is nothing.
    bank.ask(&post("incomes", &payments("TODAY", 2), "")).await.unwrap().exchange();
    let mut platform = world.line(&gateway, "platform").await.unwrap();
    let day = due.date();
    let declaration = post("incomes", "", &format!("portolan-empty-period: {day}\r\n"));
    let declared = platform.ask(&declaration).await.unwrap();
    assert_eq!((declared.json()["verdict"].as_str(), declared.json()["counts"]["records"].as_u64()), (Some("accepted"), Some(0)));
    assert!(declared.json()["receipt"].is_object(), "it has a receipt like any exchange");
    assert_eq!(platform.ask(&declaration).await.unwrap().exchange(), declared.exchange(), "a repeat has the first receipt");
    cleared(&world, &gateway, &late).await;
    cleared(&world, &gateway, &other).await;
    // The schedule of a partner says the same as the alarm; when something came it knows by the hour.
    for (partner, kept) in [("bank", "in-time"), ("platform", "declared-empty")] {
        let told = ask(&world, &gateway, &get(&format!("/v1/partners/{partner}"))).await.json();
        let today = told["schedule"].as_array().unwrap().iter().find(|row| row["period"] == day.to_string()).unwrap().clone();
        assert_eq!(today["kept"], kept, "{partner}: {today}");
    }
    let platform_page = page(&world, &gateway, "/partners/platform").await;
    assert!(platform_page.contains("declared empty</span>"), "{platform_page}");

    // What is declared to be empty must be, and its period must be one.
    for (body, period) in [(payments("NOT-EMPTY", 1), day.to_string()), (String::new(), "2026Q5".to_owned())] {
        let refused = platform.ask(&post("incomes", &body, &format!("portolan-empty-period: {period}\r\n"))).await;
        let refused = refused.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (400, "request.header"), "{period}");
        platform = world.line(&gateway, "platform").await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_nears_its_end() {
    let mut world = world_on_duty();
    world.write("conf/portolan.toml", &quick_file(""));
    let gateway = world.serve().await;
    world.renew("bank", false, 5);
    assert!(world.is_let_in(&gateway, "bank").await);
    let alarm = raised(&world, &gateway, "certificate.expiring", "partner", "bank").await;
    assert_eq!((alarm["severity"].as_str(), alarm["party"].as_str()), (Some("critical"), Some("sender")));
    assert_eq!(alarm["figures"]["days_left"], 4);
    shown(&world, &gateway, &alarm, "bank", "expiring").await;

    // The action: the partner calls with its next one.
    world.renew("bank", false, 300);
    assert!(world.is_let_in(&gateway, "bank").await);
    cleared(&world, &gateway, &alarm).await;
}

#[tokio::test]
async fn a_partner_floods() {
    let world = world_on_duty();
    world.write("conf/portolan.toml", &quick_file(""));
    world.partner("bank", &["bank"], "[limits]\nrequests = { per_second = 1, burst = 3 }\n");
    let gateway = world.serve().await;
    let flood = async || {
        let mut bank = world.line(&gateway, "bank").await.unwrap();
        bank.send(&get("/v1/me").repeat(60)).await.unwrap();
        for _ in 0..60 {
            bank.read().await.unwrap();
        }
    };
    // It goes on until somebody notices.
    let alarm = eventually("the flood is noticed", async || {
        flood().await;
        open(&world, &gateway).await.into_iter().find(|alarm| alarm["kind"] == "partner.flooding")
    })
    .await;
    assert_eq!((alarm["partner"].as_str(), alarm["party"].as_str()), (Some("bank"), Some("sender")));
    shown(&world, &gateway, &alarm, "bank", "throttled").await;

    // The action: the limits are raised, and what it sends is let in.
    world.partner("bank", &["bank"], "[limits]\nrequests = { per_second = 1000, burst = 1000 }\n");
    gateway.logs("the new configuration is in force", 1).await;
    flood().await;
    cleared(&world, &gateway, &alarm).await;
}
