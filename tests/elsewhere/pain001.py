"""pain.001.001.09, checked against its XSD and read with lxml."""

from pain import Message
from reading import flat, main

M = Message("pain.001.001.09", "templates", "pain.001.001.09", "pain.001.001.09.xsd")
METHOD = {"TRF": "transfer", "CHK": "cheque", "TRA": "transfer-advice"}


def refund(message, batch, tx):
    return {
        **M.common(message, batch, tx),
        "payment_method": METHOD[M.at(batch, "PmtMtd")],
        "execution_date": M.at(batch, "ReqdExctnDt/Dt"),
        "debtor": M.party(batch, "Dbtr", batch, organisation_id=M.at(batch, "Dbtr/Id/OrgId/Othr/Id")),
        "amount": M.at(tx, "Amt/InstdAmt"),
        "currency": M.at(tx, "Amt/InstdAmt/@Ccy"),
        "creditor": M.party(tx, "Cdtr", tx),
        "taxpayer": {"name": M.at(tx, "UltmtCdtr/Nm"), "number": M.at(tx, "UltmtCdtr/Id/OrgId/Othr/Id")},
        "purpose": M.at(tx, "Purp/Cd"),
        "voucher_number": M.at(tx, "RmtInf/Strd/CdtrRefInf/Ref"),
    }


def read(body):
    (message,) = M.all(M.root(body), "CstmrCdtTrfInitn")
    M.check_totals(message, "CdtTrfTxInf", "Amt/InstdAmt")
    for batch in M.all(message, "PmtInf"):
        for tx in M.all(batch, "CdtTrfTxInf"):
            yield flat(refund(message, batch, tx))


main(read)
