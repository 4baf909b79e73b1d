//! The one list of fault codes. A code that stands here has a page in `codes/`; a test holds the two together.
//!
//! It is long because it is data: for each code its page and its row (name, HTTP status, party, retry, title in both
//! languages), matched exhaustively so that none can be forgotten.

use super::{Party, Retry};
use std::fmt;
use std::str::FromStr;

/// Seconds after which a sender of a paused flow may come back.
const FLOW_PAUSED_RETRY_SECONDS: u64 = 300;

/// A stable fault code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultCode {
    /// `identity.certificate-missing`: no client certificate.
    CertificateMissing,
    /// `identity.certificate-untrusted`: the client certificate is not trusted.
    CertificateUntrusted,
    /// `identity.certificate-expired`: the client certificate has expired or is not valid yet.
    CertificateExpired,
    /// `identity.certificate-revoked`: the client certificate has been revoked.
    CertificateRevoked,
    /// `identity.revocation-unknown`: the revocation list is missing or out of date, so the certificate cannot be judged.
    RevocationUnknown,
    /// `identity.unlisted`: the certificate belongs to no partner and no operator.
    CertificateUnlisted,
    /// `permission.flow`: the partner may not send this flow.
    FlowForbidden,
    /// `permission.format`: the flow does not take this format from the partner.
    MappingForbidden,
    /// `permission.role`: the operator's role does not allow this.
    RoleForbidden,
    /// `permission.cross-site`: the change was not asked for from the console or by a program of its own.
    CrossSite,
    /// `permission.own-proposal`: nobody approves a proposal of their own.
    OwnProposal,
    /// `request.path-unknown`: there is nothing at this address.
    PathUnknown,
    /// `request.flow-unknown`: there is no such flow.
    FlowUnknown,
    /// `request.query-unknown`: there is no such query service.
    QueryUnknown,
    /// `request.exchange-unknown`: there is no such exchange.
    ExchangeUnknown,
    /// `request.record-unknown`: the exchange has no such record.
    RecordUnknown,
    /// `request.dead-letter-unknown`: there is no such dead letter.
    DeadLetterUnknown,
    /// `request.proposal-unknown`: there is no such proposal that waits.
    ProposalUnknown,
    /// `request.alarm-unknown`: there is no such alarm, or it can no longer be acknowledged.
    AlarmUnknown,
    /// `request.candidate-unknown`: there is no such candidate mapping.
    CandidateUnknown,
    /// `request.candidate-not-ready`: the candidate mapping cannot be run or promoted as it stands.
    CandidateNotReady,
    /// `request.method`: the address does not support this method.
    MethodNotAllowed,
    /// `request.header`: a header field is malformed.
    HeaderInvalid,
    /// `request.query`: a query parameter is malformed.
    QueryInvalid,
    /// `request.field`: a field of the request is missing or malformed.
    FieldInvalid,
    /// `request.content-encoding`: the content encoding is not supported.
    ContentEncodingUnknown,
    /// `request.timeout`: the body did not arrive in time.
    RequestTimeout,
    /// `request.interrupted`: the body broke off before its end.
    BodyInterrupted,
    /// `limit.rate`: over the rate limit.
    RateExceeded,
    /// `limit.body-size`: the body is larger than allowed.
    BodyTooLarge,
    /// `limit.records`: the body holds more records than allowed.
    TooManyRecords,
    /// `limit.header-size`: the header section is too large.
    HeaderTooLarge,
    /// `limit.concurrency`: the gateway is busy.
    TooManyRequests,
    /// `digest.mismatch`: the body does not match its Content-Digest.
    DigestMismatch,
    /// `digest.unsupported`: no algorithm in Content-Digest is supported.
    DigestUnsupported,
    /// `repeat.other-bytes`: the key or message id was used before for other bytes.
    RepeatOtherBytes,
    /// `repeat.conflict`: the key and the message id belong to different exchanges.
    RepeatConflict,
    /// `repeat.in-flight`: the same submission is being handled right now.
    RepeatInFlight,
    /// `repeat.correction-unknown`: the exchange that Portolan-Corrects names does not exist.
    CorrectionUnknown,
    /// `repeat.answer-expired`: the answer to this question may not be given again.
    AnswerExpired,
    /// `encoding.damaged`: the compressed body is damaged.
    EncodingDamaged,
    /// `encoding.expansion`: the body expands beyond the allowed size or ratio.
    ExpansionExceeded,
    /// `container.damaged`: the container is damaged or not what it says.
    ContainerDamaged,
    /// `container.unsupported`: the container uses what is not supported.
    ContainerUnsupported,
    /// `container.member-name`: the name of a member of the container is refused.
    MemberName,
    /// `container.members`: the container does not hold the members that the mapping reads.
    MembersUnexpected,
    /// `container.nested`: containers are nested more deeply than the mapping opens.
    ContainerNested,
    /// `encoding.charset`: the charset is not known.
    CharsetUnknown,
    /// `encoding.bytes`: some bytes are no text in the declared charset.
    BytesUnmappable,
    /// `syntax.malformed`: the body is not well-formed.
    SyntaxMalformed,
    /// `syntax.truncated`: the body ends too early.
    SyntaxTruncated,
    /// `syntax.character`: the body holds a character that its format forbids.
    CharacterForbidden,
    /// `syntax.doctype`: a document type declaration is not accepted.
    DoctypeRefused,
    /// `syntax.entity`: entity references are not accepted.
    EntityRefused,
    /// `syntax.duplicate-key`: a member name occurs twice in one object.
    DuplicateKey,
    /// `syntax.depth`: nested more deeply than allowed.
    DepthExceeded,
    /// `syntax.token-size`: one token is larger than allowed.
    TokenExceeded,
    /// `syntax.record-size`: one record is larger than allowed.
    RecordExceeded,
    /// `syntax.other-message`: the body is not the message that the mapping reads.
    NotThisMessage,
    /// `syntax.value-late`: a value that belongs before the records came after one.
    ValueLate,
    /// `syntax.schema`: the body is not valid against the XML Schema of its standard.
    SchemaInvalid,
    /// `syntax.adapter-failed`: the adapter of this format failed on the body.
    AdapterFailed,
    /// `records.none`: the body holds no record.
    NoRecords,
    /// `records.refused`: records failed their checks and the whole body is refused.
    RecordsRefused,
    /// `records.totals`: a total or count does not match the records.
    TotalsMismatch,
    /// `gateway.internal`: an internal error.
    Internal,
    /// `gateway.unavailable`: the gateway is not available for the moment.
    Unavailable,
    /// `gateway.flow-paused`: the flow is paused by an operator.
    FlowPaused,
    /// `gateway.storage-full`: the gateway is out of storage.
    StorageFull,
    /// `gateway.shutting-down`: the gateway is shutting down.
    ShuttingDown,
    /// `gateway.outcome-unknown`: the outcome of the commit is not known; send it again with the same key.
    OutcomeUnknown,
    /// `delivery.unreachable`: the receiver cannot be reached.
    ReceiverUnreachable,
    /// `delivery.timeout`: the receiver did not answer in time.
    ReceiverTimeout,
    /// `delivery.untrusted`: the receiver's server certificate is not trusted.
    ReceiverUntrusted,
    /// `delivery.refused`: the receiver refused the delivery.
    ReceiverRefused,
    /// `delivery.failing`: the receiver answered with a temporary error.
    ReceiverFailing,
    /// `delivery.render`: the records cannot be rendered in the receiver's format.
    RenderFailed,
    /// `delivery.charset`: the receiver's charset cannot hold a character of the records.
    CharacterUnmappable,
    /// `delivery.expired`: the delivery was not acknowledged within its span.
    DeliveryExpired,
    /// `query.answer`: what the provider answered to a question is no answer.
    QueryAnswerInvalid,
}

impl FaultCode {
    /// Whether it says that a body cannot be read, and not what is wrong with what was read.
    pub fn is_of_syntax(self) -> bool {
        self.as_str().starts_with("syntax.") || self.as_str().starts_with("encoding.")
    }

    /// Every code, in the order of the catalogue.
    pub const ALL: &'static [Self] = &[
        Self::CertificateMissing,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::RevocationUnknown,
        Self::CertificateUnlisted,
        Self::FlowForbidden,
        Self::MappingForbidden,
        Self::RoleForbidden,
        Self::CrossSite,
        Self::OwnProposal,
        Self::PathUnknown,
        Self::FlowUnknown,
        Self::QueryUnknown,
        Self::ExchangeUnknown,
        Self::RecordUnknown,
        Self::DeadLetterUnknown,
        Self::ProposalUnknown,
        Self::AlarmUnknown,
        Self::CandidateUnknown,
        Self::CandidateNotReady,
        Self::MethodNotAllowed,
        Self::HeaderInvalid,
        Self::QueryInvalid,
        Self::FieldInvalid,
        Self::ContentEncodingUnknown,
        Self::RequestTimeout,
        Self::BodyInterrupted,
        Self::RateExceeded,
        Self::BodyTooLarge,
        Self::TooManyRecords,
        Self::HeaderTooLarge,
        Self::TooManyRequests,
        Self::DigestMismatch,
        Self::DigestUnsupported,
        Self::RepeatOtherBytes,
        Self::RepeatConflict,
        Self::RepeatInFlight,
        Self::CorrectionUnknown,
        Self::AnswerExpired,
        Self::EncodingDamaged,
        Self::ExpansionExceeded,
        Self::ContainerDamaged,
        Self::ContainerUnsupported,
        Self::MemberName,
        Self::MembersUnexpected,
        Self::ContainerNested,
        Self::CharsetUnknown,
        Self::BytesUnmappable,
        Self::SyntaxMalformed,
        Self::SyntaxTruncated,
        Self::CharacterForbidden,
        Self::DoctypeRefused,
        Self::EntityRefused,
        Self::DuplicateKey,
        Self::DepthExceeded,
        Self::TokenExceeded,
        Self::RecordExceeded,
        Self::NotThisMessage,
        Self::ValueLate,
        Self::SchemaInvalid,
        Self::AdapterFailed,
        Self::NoRecords,
        Self::RecordsRefused,
        Self::TotalsMismatch,
        Self::Internal,
        Self::Unavailable,
        Self::FlowPaused,
        Self::StorageFull,
        Self::ShuttingDown,
        Self::OutcomeUnknown,
        Self::ReceiverUnreachable,
        Self::ReceiverTimeout,
        Self::ReceiverUntrusted,
        Self::ReceiverRefused,
        Self::ReceiverFailing,
        Self::RenderFailed,
        Self::CharacterUnmappable,
        Self::DeliveryExpired,
        Self::QueryAnswerInvalid,
    ];

    /// The code as it stands in problems, reports and logs.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status with which the gateway answers it.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// Whose fault it is.
    pub fn party(self) -> Party {
        self.row().2
    }

    /// Whether trying again can help.
    pub fn retry(self) -> Retry {
        self.row().3
    }

    /// The title in Chinese and in English.
    pub fn title(self) -> (&'static str, &'static str) {
        let row = self.row();
        (row.4, row.5)
    }

    /// The code's page: meaning, cause, what the sender and the operator do.
    pub fn page(self) -> &'static str {
        match self {
            Self::CertificateMissing => include_str!("codes/identity.certificate-missing.md"),
            Self::CertificateUntrusted => include_str!("codes/identity.certificate-untrusted.md"),
            Self::CertificateExpired => include_str!("codes/identity.certificate-expired.md"),
            Self::CertificateRevoked => include_str!("codes/identity.certificate-revoked.md"),
            Self::RevocationUnknown => include_str!("codes/identity.revocation-unknown.md"),
            Self::CertificateUnlisted => include_str!("codes/identity.unlisted.md"),
            Self::FlowForbidden => include_str!("codes/permission.flow.md"),
            Self::MappingForbidden => include_str!("codes/permission.format.md"),
            Self::RoleForbidden => include_str!("codes/permission.role.md"),
            Self::CrossSite => include_str!("codes/permission.cross-site.md"),
            Self::OwnProposal => include_str!("codes/permission.own-proposal.md"),
            Self::PathUnknown => include_str!("codes/request.path-unknown.md"),
            Self::FlowUnknown => include_str!("codes/request.flow-unknown.md"),
            Self::QueryUnknown => include_str!("codes/request.query-unknown.md"),
            Self::ExchangeUnknown => include_str!("codes/request.exchange-unknown.md"),
            Self::RecordUnknown => include_str!("codes/request.record-unknown.md"),
            Self::DeadLetterUnknown => include_str!("codes/request.dead-letter-unknown.md"),
            Self::ProposalUnknown => include_str!("codes/request.proposal-unknown.md"),
            Self::AlarmUnknown => include_str!("codes/request.alarm-unknown.md"),
            Self::CandidateUnknown => include_str!("codes/request.candidate-unknown.md"),
            Self::CandidateNotReady => include_str!("codes/request.candidate-not-ready.md"),
            Self::MethodNotAllowed => include_str!("codes/request.method.md"),
            Self::HeaderInvalid => include_str!("codes/request.header.md"),
            Self::QueryInvalid => include_str!("codes/request.query.md"),
            Self::FieldInvalid => include_str!("codes/request.field.md"),
            Self::ContentEncodingUnknown => include_str!("codes/request.content-encoding.md"),
            Self::RequestTimeout => include_str!("codes/request.timeout.md"),
            Self::BodyInterrupted => include_str!("codes/request.interrupted.md"),
            Self::RateExceeded => include_str!("codes/limit.rate.md"),
            Self::BodyTooLarge => include_str!("codes/limit.body-size.md"),
            Self::TooManyRecords => include_str!("codes/limit.records.md"),
            Self::HeaderTooLarge => include_str!("codes/limit.header-size.md"),
            Self::TooManyRequests => include_str!("codes/limit.concurrency.md"),
            Self::DigestMismatch => include_str!("codes/digest.mismatch.md"),
            Self::DigestUnsupported => include_str!("codes/digest.unsupported.md"),
            Self::RepeatOtherBytes => include_str!("codes/repeat.other-bytes.md"),
            Self::RepeatConflict => include_str!("codes/repeat.conflict.md"),
            Self::RepeatInFlight => include_str!("codes/repeat.in-flight.md"),
            Self::CorrectionUnknown => include_str!("codes/repeat.correction-unknown.md"),
            Self::AnswerExpired => include_str!("codes/repeat.answer-expired.md"),
            Self::EncodingDamaged => include_str!("codes/encoding.damaged.md"),
            Self::ExpansionExceeded => include_str!("codes/encoding.expansion.md"),
            Self::ContainerDamaged => include_str!("codes/container.damaged.md"),
            Self::ContainerUnsupported => include_str!("codes/container.unsupported.md"),
            Self::MemberName => include_str!("codes/container.member-name.md"),
            Self::MembersUnexpected => include_str!("codes/container.members.md"),
            Self::ContainerNested => include_str!("codes/container.nested.md"),
            Self::CharsetUnknown => include_str!("codes/encoding.charset.md"),
            Self::BytesUnmappable => include_str!("codes/encoding.bytes.md"),
            Self::SyntaxMalformed => include_str!("codes/syntax.malformed.md"),
            Self::SyntaxTruncated => include_str!("codes/syntax.truncated.md"),
            Self::CharacterForbidden => include_str!("codes/syntax.character.md"),
            Self::DoctypeRefused => include_str!("codes/syntax.doctype.md"),
            Self::EntityRefused => include_str!("codes/syntax.entity.md"),
            Self::DuplicateKey => include_str!("codes/syntax.duplicate-key.md"),
            Self::DepthExceeded => include_str!("codes/syntax.depth.md"),
            Self::TokenExceeded => include_str!("codes/syntax.token-size.md"),
            Self::RecordExceeded => include_str!("codes/syntax.record-size.md"),
            Self::NotThisMessage => include_str!("codes/syntax.other-message.md"),
            Self::ValueLate => include_str!("codes/syntax.value-late.md"),
            Self::SchemaInvalid => include_str!("codes/syntax.schema.md"),
            Self::AdapterFailed => include_str!("codes/syntax.adapter-failed.md"),
            Self::NoRecords => include_str!("codes/records.none.md"),
            Self::RecordsRefused => include_str!("codes/records.refused.md"),
            Self::TotalsMismatch => include_str!("codes/records.totals.md"),
            Self::Internal => include_str!("codes/gateway.internal.md"),
            Self::Unavailable => include_str!("codes/gateway.unavailable.md"),
            Self::FlowPaused => include_str!("codes/gateway.flow-paused.md"),
            Self::StorageFull => include_str!("codes/gateway.storage-full.md"),
            Self::ShuttingDown => include_str!("codes/gateway.shutting-down.md"),
            Self::OutcomeUnknown => include_str!("codes/gateway.outcome-unknown.md"),
            Self::ReceiverUnreachable => include_str!("codes/delivery.unreachable.md"),
            Self::ReceiverTimeout => include_str!("codes/delivery.timeout.md"),
            Self::ReceiverUntrusted => include_str!("codes/delivery.untrusted.md"),
            Self::ReceiverRefused => include_str!("codes/delivery.refused.md"),
            Self::ReceiverFailing => include_str!("codes/delivery.failing.md"),
            Self::RenderFailed => include_str!("codes/delivery.render.md"),
            Self::CharacterUnmappable => include_str!("codes/delivery.charset.md"),
            Self::DeliveryExpired => include_str!("codes/delivery.expired.md"),
            Self::QueryAnswerInvalid => include_str!("codes/query.answer.md"),
        }
    }

    fn row(self) -> (&'static str, u16, Party, Retry, &'static str, &'static str) {
        match self {
            Self::CertificateMissing => {
                ("identity.certificate-missing", 401, Party::Sender, Retry::Never, "未出示客户端证书", "no client certificate")
            }
            Self::CertificateUntrusted => (
                "identity.certificate-untrusted",
                401,
                Party::Sender,
                Retry::Never,
                "客户端证书不受信任",
                "the client certificate is not trusted",
            ),
            Self::CertificateExpired => (
                "identity.certificate-expired",
                401,
                Party::Sender,
                Retry::Never,
                "客户端证书已过期或尚未生效",
                "the client certificate has expired or is not valid yet",
            ),
            Self::CertificateRevoked => (
                "identity.certificate-revoked",
                401,
                Party::Sender,
                Retry::Never,
                "客户端证书已吊销",
                "the client certificate has been revoked",
            ),
            Self::RevocationUnknown => (
                "identity.revocation-unknown",
                503,
                Party::Gateway,
                Retry::Later,
                "吊销列表缺失或已过期，无法判断证书状态",
                "the revocation list is missing or out of date, so the certificate cannot be judged",
            ),
            Self::CertificateUnlisted => (
                "identity.unlisted",
                403,
                Party::Sender,
                Retry::Never,
                "证书未登记在任何接入单位或操作员名下",
                "the certificate belongs to no partner and no operator",
            ),
            Self::FlowForbidden => {
                ("permission.flow", 403, Party::Sender, Retry::Never, "该接入单位无权报送此交换业务", "the partner may not send this flow")
            }
            Self::MappingForbidden => (
                "permission.format",
                415,
                Party::Sender,
                Retry::Never,
                "此交换业务不接受该格式",
                "the flow does not take this format from the partner",
            ),
            Self::OwnProposal => (
                "permission.own-proposal",
                403,
                Party::Sender,
                Retry::Never,
                "不能批准自己的提议",
                "nobody approves a proposal of their own",
            ),
            Self::CrossSite => (
                "permission.cross-site",
                403,
                Party::Sender,
                Retry::Never,
                "请求不是从控制台页面或专用程序发出的",
                "the change was not asked for from the console or by a program of its own",
            ),
            Self::RoleForbidden => {
                ("permission.role", 403, Party::Sender, Retry::Never, "操作员角色不足", "the operator's role does not allow this")
            }
            Self::PathUnknown => {
                ("request.path-unknown", 404, Party::Sender, Retry::Never, "地址不存在", "there is nothing at this address")
            }
            Self::FlowUnknown => ("request.flow-unknown", 404, Party::Sender, Retry::Never, "交换业务不存在", "there is no such flow"),
            Self::QueryUnknown => {
                ("request.query-unknown", 404, Party::Sender, Retry::Never, "查询服务不存在", "there is no such query service")
            }
            Self::ExchangeUnknown => {
                ("request.exchange-unknown", 404, Party::Sender, Retry::Never, "交换单不存在", "there is no such exchange")
            }
            Self::RecordUnknown => {
                ("request.record-unknown", 404, Party::Sender, Retry::Never, "没有此条记录", "the exchange has no such record")
            }
            Self::ProposalUnknown => (
                "request.proposal-unknown",
                404,
                Party::Sender,
                Retry::Never,
                "没有此项待批准的提议",
                "there is no such proposal that waits",
            ),
            Self::DeadLetterUnknown => {
                ("request.dead-letter-unknown", 404, Party::Sender, Retry::Never, "没有此投递失败待处理", "there is no such dead letter")
            }
            Self::AlarmUnknown => (
                "request.alarm-unknown",
                404,
                Party::Sender,
                Retry::Never,
                "没有此告警，或已不能确认",
                "there is no such alarm, or it can no longer be acknowledged",
            ),
            Self::CandidateUnknown => {
                ("request.candidate-unknown", 404, Party::Sender, Retry::Never, "没有此候选映射", "there is no such candidate mapping")
            }
            Self::CandidateNotReady => (
                "request.candidate-not-ready",
                409,
                Party::Sender,
                Retry::Never,
                "候选映射目前不能试跑或生效",
                "the candidate mapping cannot be run or promoted as it stands",
            ),
            Self::MethodNotAllowed => {
                ("request.method", 405, Party::Sender, Retry::Never, "该地址不支持此方法", "the address does not support this method")
            }
            Self::HeaderInvalid => ("request.header", 400, Party::Sender, Retry::Never, "请求头不正确", "a header field is malformed"),
            Self::FieldInvalid => (
                "request.field",
                400,
                Party::Sender,
                Retry::Never,
                "请求的某个字段缺失或不正确",
                "a field of the request is missing or malformed",
            ),
            Self::QueryInvalid => ("request.query", 400, Party::Sender, Retry::Never, "查询参数不正确", "a query parameter is malformed"),
            Self::ContentEncodingUnknown => {
                ("request.content-encoding", 415, Party::Sender, Retry::Never, "不支持的内容编码", "the content encoding is not supported")
            }
            Self::RequestTimeout => {
                ("request.timeout", 408, Party::Sender, Retry::Later, "接收报文超时", "the body did not arrive in time")
            }
            Self::BodyInterrupted => {
                ("request.interrupted", 400, Party::Sender, Retry::Later, "报文在接收完成前中断", "the body broke off before its end")
            }
            Self::RateExceeded => ("limit.rate", 429, Party::Sender, Retry::Later, "超过限流额度", "over the rate limit"),
            Self::BodyTooLarge => {
                ("limit.body-size", 413, Party::Sender, Retry::Never, "报文超过大小上限", "the body is larger than allowed")
            }
            Self::TooManyRecords => {
                ("limit.records", 413, Party::Sender, Retry::Never, "记录数超过上限", "the body holds more records than allowed")
            }
            Self::HeaderTooLarge => {
                ("limit.header-size", 431, Party::Sender, Retry::Never, "请求头过大", "the header section is too large")
            }
            Self::TooManyRequests => ("limit.concurrency", 503, Party::Gateway, Retry::Later, "网关正忙", "the gateway is busy"),
            Self::DigestMismatch => (
                "digest.mismatch",
                400,
                Party::Sender,
                Retry::Later,
                "报文摘要与 Content-Digest 不符",
                "the body does not match its Content-Digest",
            ),
            Self::DigestUnsupported => (
                "digest.unsupported",
                400,
                Party::Sender,
                Retry::Never,
                "Content-Digest 中没有受支持的算法",
                "no algorithm in Content-Digest is supported",
            ),
            Self::RepeatOtherBytes => (
                "repeat.other-bytes",
                422,
                Party::Sender,
                Retry::Never,
                "同一幂等键或报文标识已用于不同内容的报文",
                "the key or message id was used before for other bytes",
            ),
            Self::RepeatConflict => (
                "repeat.conflict",
                409,
                Party::Sender,
                Retry::Never,
                "幂等键与报文标识分属不同的交换单",
                "the key and the message id belong to different exchanges",
            ),
            Self::RepeatInFlight => {
                ("repeat.in-flight", 409, Party::Sender, Retry::Later, "同一报文正在处理", "the same submission is being handled right now")
            }
            Self::AnswerExpired => (
                "repeat.answer-expired",
                410,
                Party::Sender,
                Retry::Never,
                "该查询的应答已过有效期，不能再次给出",
                "the answer to this question may not be given again",
            ),
            Self::CorrectionUnknown => (
                "repeat.correction-unknown",
                422,
                Party::Sender,
                Retry::Never,
                "Portolan-Corrects 指向的交换单不存在",
                "the exchange that Portolan-Corrects names does not exist",
            ),
            Self::EncodingDamaged => {
                ("encoding.damaged", 400, Party::Sender, Retry::Never, "压缩数据已损坏", "the compressed body is damaged")
            }
            Self::ExpansionExceeded => (
                "encoding.expansion",
                413,
                Party::Sender,
                Retry::Never,
                "解压后超过大小或压缩比上限",
                "the body expands beyond the allowed size or ratio",
            ),
            Self::ContainerDamaged => (
                "container.damaged",
                400,
                Party::Sender,
                Retry::Never,
                "容器损坏或与自身所述不符",
                "the container is damaged or not what it says",
            ),
            Self::ContainerUnsupported => (
                "container.unsupported",
                400,
                Party::Sender,
                Retry::Never,
                "容器使用了不支持的特性",
                "the container uses what is not supported",
            ),
            Self::MemberName => (
                "container.member-name",
                400,
                Party::Sender,
                Retry::Never,
                "容器成员的名称不能接受",
                "the name of a member of the container is refused",
            ),
            Self::MembersUnexpected => (
                "container.members",
                400,
                Party::Sender,
                Retry::Never,
                "容器中的成员不是映射所要读取的",
                "the container does not hold the members that the mapping reads",
            ),
            Self::ContainerNested => (
                "container.nested",
                400,
                Party::Sender,
                Retry::Never,
                "容器嵌套过深",
                "containers are nested more deeply than the mapping opens",
            ),
            Self::CharsetUnknown => ("encoding.charset", 400, Party::Sender, Retry::Never, "字符集未知", "the charset is not known"),
            Self::BytesUnmappable => (
                "encoding.bytes",
                400,
                Party::Sender,
                Retry::Never,
                "存在无法按声明字符集解码的字节",
                "some bytes are no text in the declared charset",
            ),
            Self::SyntaxMalformed => {
                ("syntax.malformed", 400, Party::Sender, Retry::Never, "报文不符合其格式", "the body is not well-formed")
            }
            Self::SyntaxTruncated => ("syntax.truncated", 400, Party::Sender, Retry::Never, "报文不完整", "the body ends too early"),
            Self::CharacterForbidden => (
                "syntax.character",
                400,
                Party::Sender,
                Retry::Never,
                "报文含有格式不允许的字符",
                "the body holds a character that its format forbids",
            ),
            Self::DoctypeRefused => (
                "syntax.doctype",
                400,
                Party::Sender,
                Retry::Never,
                "不接受文档类型声明（DOCTYPE）",
                "a document type declaration is not accepted",
            ),
            Self::EntityRefused => {
                ("syntax.entity", 400, Party::Sender, Retry::Never, "不接受自定义实体引用", "entity references are not accepted")
            }
            Self::DuplicateKey => (
                "syntax.duplicate-key",
                400,
                Party::Sender,
                Retry::Never,
                "同一对象中成员名重复",
                "a member name occurs twice in one object",
            ),
            Self::DepthExceeded => {
                ("syntax.depth", 400, Party::Sender, Retry::Never, "嵌套层数超过上限", "nested more deeply than allowed")
            }
            Self::TokenExceeded => {
                ("syntax.token-size", 413, Party::Sender, Retry::Never, "单个标记或值过大", "one token is larger than allowed")
            }
            Self::RecordExceeded => {
                ("syntax.record-size", 413, Party::Sender, Retry::Never, "单条记录过大", "one record is larger than allowed")
            }
            Self::NotThisMessage => (
                "syntax.other-message",
                422,
                Party::Sender,
                Retry::Never,
                "报文不是此映射规则所读的报文",
                "the body is not the message that the mapping reads",
            ),
            Self::ValueLate => (
                "syntax.value-late",
                422,
                Party::Sender,
                Retry::Never,
                "应在记录之前的值出现在记录之后",
                "a value that belongs before the records came after one",
            ),
            Self::SchemaInvalid => (
                "syntax.schema",
                422,
                Party::Sender,
                Retry::Never,
                "报文不符合其标准的 XML Schema",
                "the body is not valid against the XML Schema of its standard",
            ),
            Self::AdapterFailed => (
                "syntax.adapter-failed",
                422,
                Party::Sender,
                Retry::Never,
                "外部格式适配器处理此报文失败",
                "the adapter of this format failed on the body",
            ),
            Self::NoRecords => ("records.none", 422, Party::Sender, Retry::Never, "报文中没有记录", "the body holds no record"),
            Self::RecordsRefused => (
                "records.refused",
                422,
                Party::Sender,
                Retry::Never,
                "记录未通过校验，整批退回",
                "records failed their checks and the whole body is refused",
            ),
            Self::TotalsMismatch => {
                ("records.totals", 422, Party::Sender, Retry::Never, "合计或笔数与明细不符", "a total or count does not match the records")
            }
            Self::Internal => ("gateway.internal", 500, Party::Gateway, Retry::Later, "网关内部错误", "an internal error"),
            Self::FlowPaused => (
                "gateway.flow-paused",
                503,
                Party::Gateway,
                Retry::AfterSeconds(FLOW_PAUSED_RETRY_SECONDS),
                "运维已暂停接收该交换业务",
                "the flow is paused by an operator",
            ),
            Self::Unavailable => {
                ("gateway.unavailable", 503, Party::Gateway, Retry::Later, "网关暂不可用", "the gateway is not available for the moment")
            }
            Self::StorageFull => {
                ("gateway.storage-full", 507, Party::Gateway, Retry::Later, "网关存储空间不足", "the gateway is out of storage")
            }
            Self::ShuttingDown => {
                ("gateway.shutting-down", 503, Party::Gateway, Retry::Later, "网关正在停机", "the gateway is shutting down")
            }
            Self::OutcomeUnknown => (
                "gateway.outcome-unknown",
                503,
                Party::Gateway,
                Retry::Later,
                "提交结果未知，请用同一幂等键重发",
                "the outcome of the commit is not known; send it again with the same key",
            ),
            Self::ReceiverUnreachable => {
                ("delivery.unreachable", 502, Party::Receiver, Retry::Later, "无法连接接收方", "the receiver cannot be reached")
            }
            Self::ReceiverTimeout => {
                ("delivery.timeout", 504, Party::Receiver, Retry::Later, "接收方未在时限内应答", "the receiver did not answer in time")
            }
            Self::ReceiverUntrusted => (
                "delivery.untrusted",
                502,
                Party::Receiver,
                Retry::Later,
                "接收方的服务器证书不受信任",
                "the receiver's server certificate is not trusted",
            ),
            Self::ReceiverRefused => {
                ("delivery.refused", 502, Party::Receiver, Retry::Never, "接收方拒绝该投递", "the receiver refused the delivery")
            }
            Self::ReceiverFailing => (
                "delivery.failing",
                502,
                Party::Receiver,
                Retry::Later,
                "接收方返回暂时性错误",
                "the receiver answered with a temporary error",
            ),
            Self::RenderFailed => (
                "delivery.render",
                500,
                Party::Gateway,
                Retry::Never,
                "无法按接收方格式生成报文",
                "the records cannot be rendered in the receiver's format",
            ),
            Self::CharacterUnmappable => (
                "delivery.charset",
                502,
                Party::Receiver,
                Retry::Never,
                "接收方的字符集无法表示记录中的字符",
                "the receiver's charset cannot hold a character of the records",
            ),
            Self::DeliveryExpired => (
                "delivery.expired",
                504,
                Party::Receiver,
                Retry::Never,
                "超过投递期限",
                "the delivery was not acknowledged within its span",
            ),
            Self::QueryAnswerInvalid => (
                "query.answer",
                502,
                Party::Receiver,
                Retry::Later,
                "被查询方的应答无法使用",
                "what the provider answered to the question is no answer",
            ),
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FaultCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no fault code; `portolan explain` lists them all"))
    }
}
