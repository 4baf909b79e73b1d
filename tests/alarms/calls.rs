//! What operators ask and say.

use crate::duty::{ask, closed, post_reason, quick_file, raised, world_on_duty};
use crate::line::get;

/// A disk of which so many bytes are never free.
const NEVER_FREE: &str = "disk_free_bytes_min = 9000000000000000\n";

#[tokio::test]
async fn alarms_are_acknowledged_noted_and_handed_over() {
    let world = world_on_duty();
    world.write("conf/portolan.toml", &quick_file(NEVER_FREE));
    let gateway = world.serve().await;
    let alarm = raised(&world, &gateway, "disk.low", "party", "gateway").await;
    let number = alarm["number"].as_u64().unwrap();
    let path = |act: &str| format!("/v1/alarms/{number}/{act}");

    // Without a reason, with another method, of an alarm that is not there, and a second time.
    let without = format!("POST {} HTTP/1.1\r\nhost: localhost\r\nportolan-client: test\r\ncontent-length: 0\r\n\r\n", path("acknowledge"));
    let cases = [
        (without.into_bytes(), 400, "request.field"),
        (get(&path("acknowledge")), 405, "request.method"),
        (post_reason("/v1/alarms/999/acknowledge", "mine"), 404, "request.alarm-unknown"),
        (post_reason("/v1/alarms/x/note", "mine"), 404, "request.alarm-unknown"),
        (get("/v1/alarms?after=1"), 400, "request.query"),
        (post_reason(&path("acknowledge"), "mine"), 200, ""),
        (post_reason(&path("acknowledge"), "mine%20too"), 404, "request.alarm-unknown"),
        (post_reason(&path("note"), "asked%20for%20a%20larger%20disk"), 200, ""),
        (post_reason("/v1/handover", "the%20disk%20is%20ordered"), 200, ""),
    ];
    for (request, status, code) in cases {
        let answer = ask(&world, &gateway, &request).await;
        let found = (answer.status, if status == 200 { String::new() } else { answer.code() });
        assert_eq!(found, (status, code.to_owned()), "{}", String::from_utf8_lossy(&request));
    }
    let handover = ask(&world, &gateway, &get("/v1/handover")).await.json();
    assert_eq!(handover["notes"][0]["note"], "the disk is ordered");
    assert_eq!(handover["notes"][0]["open"][0], number);
    assert_eq!(handover["open"][0]["acknowledged"]["text"], "mine");
    let metrics = ask(&world, &gateway, &get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("portolan_alarm{kind=\"disk.low\",severity=\"warning\",party=\"gateway\",partner=\"\""), "{metrics}");

    world.write("conf/portolan.toml", &quick_file("disk_free_bytes_min = 1\n"));
    let history = closed(&world, &gateway, &alarm).await;
    let notes: Vec<_> = history["notes"].as_array().unwrap().iter().map(|note| note["note"].as_str().unwrap()).collect();
    assert_eq!(notes, ["acknowledged", "done"]);
    // What is closed takes notes and no acknowledgement.
    assert_eq!(ask(&world, &gateway, &post_reason(&path("note"), "a%20new%20disk")).await.status, 200);
    assert_eq!(ask(&world, &gateway, &post_reason(&path("acknowledge"), "late")).await.status, 404);
}
