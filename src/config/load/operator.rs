//! The checks of `operators/NAME.toml`: who operates, and what each may do.

use super::super::raw::{RawOperator, RawOperators, RawRole};
use super::super::{CertificateHolder, Operator, OperatorRules};
use super::{Certificates, Checker, Page, Problem, files_of, named_files};
use crate::domain::{Name, Role};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Reads every operator. A certificate is one operator's, so that an act has one name.
pub(super) fn load(
    folder: &Path,
    certificate_files: &mut BTreeMap<PathBuf, CertificateHolder>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<Operator>> {
    let mut operators = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for (name, file) in named_files(&folder.join("operators"), problems) {
        let mut page = Page::read(file);
        let operator = page.parse::<RawOperator>().and_then(|raw| {
            certificate_files.extend(files_of(&raw.certificate, folder).map(|file| (file, CertificateHolder::Operator(name.clone()))));
            let mut checker = Checker { page: &mut page, folder };
            let certificates = checker.certificates(&raw.certificate, "operator");
            checker.certificates_are_new(&name, "operator", &certificates, &mut seen);
            checker.operator(&name, &raw, certificates)
        });
        problems.append(&mut page.problems);
        operators.extend(operator.map(|operator| (name, Arc::new(operator))));
    }
    operators
}

/// What holds for all operators.
pub(super) fn rules(raw: &RawOperators) -> OperatorRules {
    OperatorRules {
        unlisted_may_read: raw.unlisted_may_read,
        deliveries_alone_max: u64::from(raw.deliveries_alone_max),
        proposal_span: Duration::from_secs(u64::from(raw.proposal_hours.get()) * 3600),
    }
}

impl Checker<'_> {
    fn operator(&mut self, name: &Name, raw: &RawOperator, certificates: Option<Certificates>) -> Option<Operator> {
        let title = self.title(raw.title.as_ref());
        if raw.certificate.is_empty() {
            self.page.missing("certificate", None);
        }
        Some(Operator {
            name: name.clone(),
            title: title?,
            role: match raw.role {
                RawRole::Read => Role::Read,
                RawRole::Operate => Role::Operate,
                RawRole::Administer => Role::Administer,
            },
            certificates: certificates?.into_iter().map(|(certificate, _)| certificate).collect(),
        })
    }
}
