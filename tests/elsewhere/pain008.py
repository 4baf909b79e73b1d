"""pain.008.001.08, checked against its XSD and read with lxml."""

from pain import Message
from reading import flat, main

M = Message("pain.008.001.08", "templates", "pain.008.001.08", "pain.008.001.08.xsd")


def debit(message, batch, tx):
    return {
        **M.common(message, batch, tx),
        "collection_date": M.at(batch, "ReqdColltnDt"),
        "creditor": M.party(
            batch, "Cdtr", batch,
            organisation_id=M.at(batch, "Cdtr/Id/OrgId/Othr/Id"),
            scheme_id=M.at(batch, "CdtrSchmeId/Id/PrvtId/Othr/Id"),
        ),
        "amount": M.at(tx, "InstdAmt"),
        "currency": M.at(tx, "InstdAmt/@Ccy"),
        "mandate": {
            "id": M.at(tx, "DrctDbtTx/MndtRltdInf/MndtId"),
            "signed_on": M.at(tx, "DrctDbtTx/MndtRltdInf/DtOfSgntr"),
            "scheme_id": M.at(tx, "DrctDbtTx/CdtrSchmeId/Id/PrvtId/Othr/Id"),
        },
        "debtor": M.party(tx, "Dbtr", tx),
        "taxpayer": {"name": M.at(tx, "UltmtDbtr/Nm"), "number": M.at(tx, "UltmtDbtr/Id/OrgId/Othr/Id")},
        "tax_voucher_number": M.at(tx, "RmtInf/Strd/CdtrRefInf/Ref"),
    }


def read(body):
    (message,) = M.all(M.root(body), "CstmrDrctDbtInitn")
    M.check_totals(message, "DrctDbtTxInf", "InstdAmt")
    for batch in M.all(message, "PmtInf"):
        assert M.at(batch, "PmtMtd") == "DD"
        for tx in M.all(batch, "DrctDbtTxInf"):
            yield flat(debit(message, batch, tx))


main(read)
