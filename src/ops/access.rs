//! What an operator's request brings: who asks, what for, and the fields of a change.
//!
//! A change takes named values: a JSON object of texts, whole numbers and truth values, or a form
//! (`application/x-www-form-urlencoded`), at most [`BODY_BYTES_MAX`] and [`FIELDS_MAX`] of them. Where there is
//! no body there are no fields. The reason may come in `Portolan-Reason`, percent-encoded, instead. A form of the console also
//! says in `then` which page its browser goes to afterwards.

use super::guard::{self, TOKEN_FIELD};
use super::view::OpsView;
use crate::domain::{ExchangeId, Operator, Role};
use crate::fault::{Fault, FaultCode};
use crate::http::query::{bad_query, parse_query, percent_decoded};
use crate::journal::acts::{ActRequest, Acted, Deed, Revealed};
use crate::mask::Shown;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::http::request;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The field that says why.
pub const REASON: HeaderName = HeaderName::from_static("portolan-reason");
/// The field of a form that says where its browser goes afterwards: a path of this listener.
pub const THEN: &str = "then";
/// The parameter by which the page that it goes to learns what came of the change.
pub const SAID: &str = "said";
/// The parameter by which a page asks for one of its live parts alone.
pub const PART: &str = "part";
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;
/// The parameter that asks for personal values.
pub const REVEAL: &str = "reveal";
/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Fields of one request.
pub const FIELDS_MAX: usize = 64;

/// A request that may be answered.
pub struct Ask<'a> {
    /// Its head.
    pub request: &'a request::Parts,
    /// What the open segments of its path hold, in their order.
    pub open: Vec<&'a str>,
    /// Who asks.
    pub operator: &'a Operator,
    /// What a change brings.
    pub fields: Fields,
    /// Whether the answer is to be in Chinese.
    pub zh: bool,
}

impl Ask<'_> {
    /// What an open segment of the path holds.
    pub fn segment(&self, place: usize) -> &str {
        self.open.get(place).copied().unwrap_or_default()
    }

    /// The query's parameters but those that every address takes: the language, what came of a change, and a part of a page.
    pub fn query(&self) -> Vec<(String, String)> {
        let pairs = parse_query(self.request.uri.query().unwrap_or_default());
        pairs.into_iter().filter(|(name, _)| !["lang", SAID, PART].contains(&name.as_str())).collect()
    }

    /// The same as a browser's form sends them: `+` is a space there (URL Standard, section 5.1).
    pub fn form(&self) -> Vec<(String, String)> {
        let pairs = parse_query(&self.request.uri.query().unwrap_or_default().replace('+', "%20"));
        pairs.into_iter().filter(|(name, _)| !["lang", SAID, PART].contains(&name.as_str())).collect()
    }

    /// A parameter of the query, the first of its name.
    pub fn given(&self, name: &str) -> Option<String> {
        parse_query(self.request.uri.query().unwrap_or_default()).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The live part of a page that is asked for alone; what there is no such part of answers with the whole page.
    pub fn part(&self) -> Option<String> {
        self.given(PART)
    }

    /// Whether the address says the language.
    pub fn names_language(&self) -> bool {
        self.given("lang").is_some_and(|lang| ["zh", "en"].contains(&lang.as_str()))
    }

    /// Where a browser goes once this change is made, with what came of it: where the form says so, and nowhere but here.
    pub fn then(&self, said: Said) -> Option<String> {
        let then = self.fields.text(THEN).filter(|path| is_path(path))?;
        Some(format!("{then}{}{SAID}={said}", if then.contains('?') { '&' } else { '?' }))
    }

    /// Whether the personal values in `what` of an exchange are shown: to who may operate and says why, as `?reveal=REASON`.
    /// Each such request is an act, and nothing is shown that the log of acts does not hold.
    ///
    /// # Errors
    /// [`FaultCode::QueryInvalid`] for a reason that says nothing; [`FaultCode::RoleForbidden`]; [`FaultCode::CrossSite`] where
    /// another site has a browser ask; the journal's failures.
    pub async fn shown(&self, view: &OpsView, exchange: ExchangeId, what: Revealed) -> Result<Shown, Fault> {
        let Some((_, reason)) = self.form().into_iter().find(|(name, _)| name == REVEAL) else { return Ok(Shown::Masked) };
        let (reason, operator) = (reason.trim(), self.operator);
        if !is_reason(reason) {
            return Err(bad_query(REVEAL, &format!("{REVEAL}=REASON (1-{REASON_CHARS_MAX})")));
        }
        covered(operator, Role::Operate)?;
        guard::refuse_other_site(self.request)?;
        match view.act(operator, reason.to_owned(), ActRequest::Do(Deed::Reveal { exchange, what })).await? {
            Acted::Done { .. } => Ok(Shown::Whole),
            other => Err(Fault::new(FaultCode::Internal).caused_by(format!("a look was not logged: {other:?}"))),
        }
    }

    /// Why the operator acts.
    ///
    /// # Errors
    /// [`FaultCode::FieldInvalid`] where there is no reason, or none that can be kept.
    pub fn reason(&self) -> Result<String, Fault> {
        let header = self.request.headers.get(REASON).map(|value| value.to_str().ok().and_then(decoded));
        let text = match header {
            Some(text) => text,
            None => self.fields.text("reason").map(str::to_owned),
        };
        text.map(|text| text.trim().to_owned()).filter(|text| is_reason(text)).ok_or_else(|| {
            Fault::new(FaultCode::FieldInvalid).detail(
                format!("请写明理由（reason，或经百分号编码的 Portolan-Reason）：1 至 {REASON_CHARS_MAX} 个字符，不含控制字符"),
                format!(
                    "give a reason (`reason`, or Portolan-Reason percent-encoded): 1 to {REASON_CHARS_MAX} characters, no control characters"
                ),
            )
        })
    }
}

/// A path with its query, of this listener: nothing that a browser takes for another host, or that ends a header.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is done, as this act.
    Done(u64),
    /// It waits for a second operator, as this act.
    Proposed(u64),
    /// It is under way, and nothing is logged.
    UnderWay,
    /// There was nothing to do.
    Unchanged,
}

impl Said {
    /// What a page was told; nothing where it is nothing that a change says.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some(("done", number)) => number.parse().ok().map(Self::Done),
            Some(("proposed", number)) => number.parse().ok().map(Self::Proposed),
            None if text == "under-way" => Some(Self::UnderWay),
            None if text == "unchanged" => Some(Self::Unchanged),
            _ => None,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(number) => write!(f, "done-{number}"),
            Self::Proposed(number) => write!(f, "proposed-{number}"),
            Self::UnderWay => f.write_str("under-way"),
            Self::Unchanged => f.write_str("unchanged"),
        }
    }
}

/// Lets in whoever's role covers this one.
///
/// # Errors
/// [`FaultCode::RoleForbidden`].
pub fn covered(operator: &Operator, role: Role) -> Result<(), Fault> {
    if operator.role >= role {
        return Ok(());
    }
    Err(Fault::new(FaultCode::RoleForbidden).detail(
        format!("此操作需要“{}”角色，您的角色是“{}”", role.in_chinese(), operator.role.in_chinese()),
        format!("this takes the role {role}, and yours is {}", operator.role),
    ))
}

fn is_reason(text: &str) -> bool {
    (1..=REASON_CHARS_MAX).contains(&text.chars().count()) && !text.contains(char::is_control)
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_decoded(text)).ok()
}

/// The fields of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads the fields of a request's body.
    ///
    /// # Errors
    /// [`FaultCode::FieldInvalid`] for a body that is too large or neither JSON nor a form.
    pub async fn read(request: &request::Parts, body: Incoming) -> Result<Self, Fault> {
        let bytes = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| invalid().caused_by(error))?.to_bytes();
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let media_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fields = match media_type.as_str() {
            "application/json" => of_json(&bytes),
            "application/x-www-form-urlencoded" => std::str::from_utf8(&bytes).ok().and_then(of_form),
            _ => None,
        };
        fields.filter(|fields| fields.len() <= FIELDS_MAX).map(Self).ok_or_else(invalid)
    }

    /// A field, if it is there and not empty: a form sends what was left blank as well.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A field as something else, if it is there.
    ///
    /// # Errors
    /// [`FaultCode::FieldInvalid`] for a value that it cannot be.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.text(name).map(str::parse).transpose().map_err(|_| bad_field(name))
    }

    /// Refuses fields that an act does not take.
    ///
    /// # Errors
    /// [`FaultCode::FieldInvalid`] for the first that is not among `allowed`, the reason, the token or [`THEN`].
    pub fn only(&self, allowed: &[&str]) -> Result<(), Fault> {
        let known = |name: &str| allowed.contains(&name) || matches!(name, "reason" | TOKEN_FIELD | THEN);
        self.0.keys().find(|name| !known(name)).map_or(Ok(()), |name| Err(bad_field(name)))
    }
}

/// The refusal of a field.
pub fn bad_field(name: &str) -> Fault {
    let name: String = name.chars().take(40).collect();
    Fault::new(FaultCode::FieldInvalid)
        .detail(format!("字段 {name:?} 不可用或取值不正确"), format!("the field {name:?} is unknown or malformed"))
}

fn invalid() -> Fault {
    Fault::new(FaultCode::FieldInvalid).detail(
        format!("请求正文须为 JSON 对象或表单，不超过 {BODY_BYTES_MAX} 字节"),
        format!("the body must be a JSON object or a form of at most {BODY_BYTES_MAX} bytes"),
    )
}

fn of_json(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let Value::Object(members) = serde_json::from_slice(bytes).ok()? else { return None };
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    };
    members.into_iter().map(|(name, value)| Some((name, text(value)?))).collect()
}

/// A form's pairs; `+` is a space there (URL Standard, section 5.1). A name that comes twice is no form of ours.
fn of_form(text: &str) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (name, value) in parse_query(&text.replace('+', "%20")) {
        if fields.insert(name, value).is_some() {
            return None;
        }
    }
    Some(fields)
}
