//! The configuration changes under a running gateway.

use crate::line::{get, payments, post};
use crate::world::{World, eventually, gateway_file};

const IN_FORCE: &str = "the new configuration is in force";
const REFUSED: &str = "the new configuration is refused and the old one stays in force";

/// One who receives.
const BUREAU: &str = "title = { zh = \"统计局\", en = \"Bureau\" }
[destination.payments]
url = \"https://localhost:9443/payments\"
authorities = [\"../ca/ca.pem\"]
identity = { chain = \"../ca/issued/bureau.pem\", key = \"../ca/issued/bureau.key\" }
";

/// A canonical record of its own; later versions ask for more.
fn schema(version: u32, required: &str) -> String {
    format!(
        r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:test:notice.v{version}",
        "title": "Notice", "x-title-zh": "通知", "type": "object", "required": [{required}],
        "properties": {{
            "id": {{"title": "Id", "x-title-zh": "编号", "type": "string"}},
            "urgency": {{"title": "Urgency", "x-title-zh": "紧急程度", "type": "string"}}
        }}}}"#
    )
}

fn mapping(version: u32) -> String {
    let field = |name: &str| format!("\n[[field]]\nto = \"{name}\"\npath = \"{name}\"\n");
    format!(
        "title = {{ zh = \"通知\", en = \"Notice\" }}\ncanonical = \"notice.v{version}\"\n\n[format]\nname = \"json\"\n\n\
         [body]\nroot = \"$\"\n{}{}",
        field("id"),
        field("urgency")
    )
}

#[tokio::test]
async fn what_is_new_is_picked_up_and_open_lines_stay() {
    let mut world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("BEFORE", 1), "")).await.unwrap().exchange();

    world.issue("newcomer");
    world.write("conf/mappings/canonical/notice.v1.schema.json", &schema(1, r#""id""#));
    world.write("conf/mappings/notice/mapping.toml", &mapping(1));
    world.partner("newcomer", &["newcomer"], "");
    world.flow("notices", "notice.v1", &["newcomer"], "notice", "");
    let plain = post("notices", "{\"id\":\"1\"}\n", "");
    let mut newcomer = eventually("the new partner sends under the new flow", async || {
        let mut line = world.line(&gateway, "newcomer").await.ok()?;
        let answer = line.ask(&plain).await.ok()?;
        (answer.status == 202).then_some(line)
    })
    .await;
    bank.ask(&post("payments", &payments("BETWEEN", 1), "")).await.unwrap().exchange();

    world.write("conf/mappings/canonical/notice.v2.schema.json", &schema(2, r#""id", "urgency""#));
    world.write("conf/mappings/notice-2/mapping.toml", &mapping(2));
    world.flow("notices", "notice.v2", &["newcomer"], "notice-2", "");
    // The second version asks for an urgency, which the first does not: on the newcomer's open line.
    eventually("the second version of the canonical record holds", async || {
        (newcomer.ask(&plain).await.unwrap().status == 422).then_some(())
    })
    .await;
    newcomer.ask(&post("notices", "{\"id\":\"2\",\"urgency\":\"high\"}\n", "")).await.unwrap().exchange();
    bank.ask(&post("payments", &payments("AFTER", 1), "")).await.unwrap().exchange();
}

#[tokio::test]
async fn a_bad_configuration_is_refused_whole_until_it_is_mended() {
    let red = |good: &str| good.replacen('\n', "\ncolour = \"red\"\n", 1);
    // Beside one another: each waits for the looks at its files.
    tokio::join!(
        refused_until_mended("conf/partners/bank.toml", red, None, "partners/bank.toml:2: "),
        refused_until_mended("conf/mappings/notice/mapping.toml", |_| mapping(1), None, "notice/mapping.toml:2: "),
        refused_until_mended(
            "conf/partners/bureau.toml",
            |_| BUREAU.replace("ca.pem", "crl.pem"),
            Some(BUREAU),
            "partners/bureau.toml:4: "
        ),
        refused_until_mended(
            "conf/partners/bureau.toml",
            |_| BUREAU.replace("bureau.key", "bank.key"),
            Some(BUREAU),
            "partners/bureau.toml:5: "
        ),
    );
}

/// `bad` is made of what stands there before, which also mends it unless there is something else.
async fn refused_until_mended(file: &str, bad: impl FnOnce(&str) -> String, mended: Option<&str>, place: &str) {
    let mut world = World::new();
    world.issue("newcomer");
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let good = std::fs::read_to_string(world.path(file)).unwrap_or_default();
    world.write(file, &bad(&good));
    let told = gateway.logs(REFUSED, 1).await["message"].to_string();
    assert!(told.contains(place), "{told}");
    // Something good beside it is not taken in either: all or nothing.
    world.partner("newcomer", &["newcomer"], "");
    gateway.logs(REFUSED, 2).await;
    assert!(!world.is_let_in(&gateway, "newcomer").await);
    assert_eq!(bank.ask(&get("/v1/me")).await.unwrap().status, 200);

    match mended.unwrap_or(&good) {
        "" => std::fs::remove_file(world.path(file)).unwrap(),
        mended => world.write(file, mended),
    }
    eventually("the mended configuration holds", async || world.is_let_in(&gateway, "newcomer").await.then_some(())).await;
    std::fs::remove_file(world.path("conf/partners/newcomer.toml")).unwrap();
    eventually("what was taken away is gone", async || (!world.is_let_in(&gateway, "newcomer").await).then_some(())).await;
    assert_eq!(bank.ask(&get("/v1/me")).await.unwrap().status, 200, "the same line all the while");
}

#[tokio::test]
async fn what_holds_from_the_next_start_on_is_said() {
    let world = World::new();
    let gateway = world.serve().await;
    gateway.signal("HUP");
    gateway.logs(IN_FORCE, 1).await;
    assert!(gateway.logged("next start").is_empty());
    let changed = gateway_file("127.0.0.1:1", "").replace("header_timeout_ms = 600000", "header_timeout_ms = 700000");
    world.write("conf/portolan.toml", &changed);
    let told = gateway.logs("some of the new configuration holds from the next start on", 1).await;
    assert_eq!(told["keys"], "partner_listener.address, limits.header_timeout_ms");
    assert!(world.is_let_in(&gateway, "bank").await, "it listens where it did");
}

#[tokio::test]
async fn sighup_reads_the_configuration_again() {
    let world = World::new();
    let gateway = world.serve().await;
    gateway.signal("HUP");
    gateway.logs(IN_FORCE, 1).await;
    world.write("conf/flows/payments.toml", "colour = \"red\"\n");
    let told = gateway.logs(REFUSED, 1).await["message"].to_string();
    assert!(told.contains("flows/payments.toml:1: "), "{told}");
    let refusals = gateway.logged(REFUSED).len();
    gateway.signal("HUP");
    gateway.logs(REFUSED, refusals + 1).await;
}

#[tokio::test]
async fn changes_are_logged_with_their_files_and_keys() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    let configuration = operator.ask(&get("/v1/configuration")).await.unwrap().json();
    let first = &configuration["changes"][0];
    assert_eq!((first["deed"]["kind"].as_str(), first["operator"].is_null()), (Some("configure"), true), "{configuration}");
    world.partner("bank", &["bank"], "[limits]\nrequests = { per_second = 7000 }\n");
    gateway.logs("the new configuration is in force", 1).await;
    let latest = eventually("the change is logged", async || {
        let configuration = operator.ask(&get("/v1/configuration")).await.unwrap().json();
        let latest = configuration["changes"][0].clone();
        (latest["number"].as_u64() == Some(2)).then_some((latest, configuration))
    });
    let (latest, configuration) = latest.await;
    let file = &latest["deed"]["files"][0];
    assert_eq!(file["file"], "partners/bank.toml", "{configuration}");
    assert_eq!((file["how"].as_str(), file["keys"][0].as_str()), (Some("changed"), Some("limits.requests.per_second")));
    assert_eq!(configuration["sha256"], latest["deed"]["digest"]);
}
