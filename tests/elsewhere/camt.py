"""camt.053 and camt.054 in version 08, checked against their XSDs and read with lxml."""

import re
from decimal import Decimal

from lxml import etree

from reading import flat, package_file

STATUS = {"BOOK": "booked", "PDNG": "pending", "INFO": "info", "FUTR": "future"}
DIRECTION = {"CRDT": "credit", "DBIT": "debit"}


def at(element, path):
    steps = re.sub(r"(?<=[/\[])(?=[A-Z])", "c:", path)
    found = element.xpath(steps, namespaces={"c": etree.QName(element).namespace})
    assert len(found) <= 1, (path, found)
    return None if not found else found[0] if isinstance(found[0], str) else found[0].text or ""


def party(tx, role):
    return {
        "name": at(tx, f"./RltdPties/{role}/Pty/Nm"),
        "account": {
            "iban": at(tx, f"./RltdPties/{role}Acct/Id/IBAN"),
            "number": at(tx, f"./RltdPties/{role}Acct/Id/Othr/Id"),
        },
        "agent_bic": at(tx, f"./RltdAgts/{role}Agt/FinInstnId/BICFI"),
        "agent_member_id": at(tx, f"./RltdAgts/{role}Agt/FinInstnId/ClrSysMmbId/MmbId"),
    }


def balance(statement, code):
    found = f"./Bal[Tp/CdOrPrtry/Cd='{code}']"
    return {
        "amount": at(statement, found + "/Amt"),
        "currency": at(statement, found + "/Amt/@Ccy"),
        "credit_debit": DIRECTION.get(at(statement, found + "/CdtDbtInd")),
        "date": at(statement, found + "/Dt/Dt"),
    }


def transaction(tx, number):
    entry = tx.getparent().getparent()
    notification = entry.getparent()
    message = notification.getparent()
    c = {"c": etree.QName(tx).namespace}
    return {
        "message_id": at(message, "./GrpHdr/MsgId"),
        "message_created_at": at(message, "./GrpHdr/CreDtTm"),
        "notification_id": at(notification, "./Id"),
        "notification_number": at(notification, "./ElctrncSeqNb"),
        "notification_created_at": at(notification, "./CreDtTm"),
        "opening_balance": balance(notification, "OPBD"),
        "closing_balance": balance(notification, "CLBD"),
        "account": {
            "iban": at(notification, "./Acct/Id/IBAN"),
            "number": at(notification, "./Acct/Id/Othr/Id"),
            "currency": at(notification, "./Acct/Ccy"),
            "servicer_bic": at(notification, "./Acct/Svcr/FinInstnId/BICFI"),
        },
        "entry": {
            "reference": at(entry, "./NtryRef"),
            "amount": at(entry, "./Amt"),
            "currency": at(entry, "./Amt/@Ccy"),
            "credit_debit": DIRECTION.get(at(entry, "./CdtDbtInd")),
            "servicer_reference": at(entry, "./AcctSvcrRef"),
            "transaction_number": number,
            "bank_transaction_code": {
                "domain": at(entry, "./BkTxCd/Domn/Cd"),
                "family": at(entry, "./BkTxCd/Domn/Fmly/Cd"),
                "subfamily": at(entry, "./BkTxCd/Domn/Fmly/SubFmlyCd"),
                "proprietary": at(entry, "./BkTxCd/Prtry/Cd"),
            },
        },
        "reversal": at(entry, "./RvslInd"),
        "status": STATUS[at(entry, "./Sts/Cd")],
        "booking_date": at(entry, "./BookgDt/Dt"),
        "value_date": at(entry, "./ValDt/Dt"),
        "servicer_reference": at(tx, "./Refs/AcctSvcrRef"),
        "payment_information_id": at(tx, "./Refs/PmtInfId"),
        "instruction_id": at(tx, "./Refs/InstrId"),
        "end_to_end_id": at(tx, "./Refs/EndToEndId"),
        "uetr": at(tx, "./Refs/UETR"),
        "transaction_id": at(tx, "./Refs/TxId"),
        "mandate_id": at(tx, "./Refs/MndtId"),
        "amount": at(tx, "./Amt"),
        "currency": at(tx, "./Amt/@Ccy"),
        "credit_debit": DIRECTION[at(tx, "./CdtDbtInd")],
        "debtor": party(tx, "Dbtr"),
        "creditor": party(tx, "Cdtr"),
        "remittance_information": [e.text for e in tx.iterfind("c:RmtInf/c:Ustrd", c)],
        "creditor_references": [
            {
                "type_code": at(s, "./CdtrRefInf/Tp/CdOrPrtry/Cd"),
                "type_proprietary": at(s, "./CdtrRefInf/Tp/CdOrPrtry/Prtry"),
                "reference": at(s, "./CdtrRefInf/Ref"),
                "additional_information": [e.text for e in s.iterfind("c:AddtlRmtInf", c)],
            }
            for s in tx.iterfind("c:RmtInf/c:Strd", c)
        ],
    }


def signed(of):
    return Decimal(of.findtext("{*}Amt")) * {"CRDT": 1, "DBIT": -1}[of.findtext("{*}CdtDbtInd")]


def check_balances(statement):
    """The opening balance and the booked entries must give the closing one."""
    balances = {bal.findtext("{*}Tp/{*}CdOrPrtry/{*}Cd"): signed(bal) for bal in statement.iterfind("{*}Bal")}
    booked = [signed(entry) for entry in statement.iterfind("{*}Ntry") if entry.findtext("{*}Sts/{*}Cd") == "BOOK"]
    assert balances["OPBD"] + sum(booked) == balances["CLBD"], (balances, booked)


def reader(message):
    schema = etree.XMLSchema(file=package_file("camt053", "xsd", message + ".xsd"))

    def read(body):
        root = etree.fromstring(body)
        schema.assertValid(root)
        for statement in root.iter("{*}Stmt"):
            check_balances(statement)
        for entry in root.iter("{*}Ntry"):
            for number, tx in enumerate(entry.iter("{*}TxDtls"), 1):
                yield flat(transaction(tx, number))

    return read
