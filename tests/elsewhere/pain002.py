"""pain.002.001.10, read with lxml. Its own XSD is at hand nowhere: that of version 12, which differs in what is not written, is used."""

from pain import STATUS, Message
from reading import flat, main

M = Message("pain.002.001.10", "pain002", "schemas", "pain.002.001.12.xsd")
COMPUTED = "it is computed from what is read"


def status(code):
    return None if code is None else STATUS[code]


def provided(reference):
    return None if reference == "NOTPROVIDED" else reference


def numbers(of, name):
    by_status = [
        {
            "status": status(M.at(detail, "DtldSts")),
            "transactions": M.at(detail, "DtldNbOfTxs"),
            "sum": M.at(detail, "DtldCtrlSum"),
        }
        for detail in M.all(of, "NbOfTxsPerSts")
    ]
    return {
        f"{name}_transactions": M.at(of, "OrgnlNbOfTxs"),
        f"{name}_sum": M.at(of, "OrgnlCtrlSum"),
        f"{name}_by_status": by_status,
    }


def answer(message, batch=None, tx=None):
    (original,) = M.all(message, "OrgnlGrpInfAndSts")
    record = {
        "message_id": M.at(message, "GrpHdr/MsgId"),
        "message_created_at": M.at(message, "GrpHdr/CreDtTm"),
        "initiator": {"name": M.at(message, "GrpHdr/InitgPty/Nm")},
        "original_message_id": M.at(original, "OrgnlMsgId"),
        "original_message_name": M.at(original, "OrgnlMsgNmId"),
        "original_message_created_at": M.at(original, "OrgnlCreDtTm"),
        "group_status": status(M.at(original, "GrpSts")),
        "group_reasons": M.reasons(original),
        **numbers(original, "original"),
    }
    if batch is not None:
        record["batch_id"] = provided(M.at(batch, "OrgnlPmtInfId"))
        record["batch_status"] = status(M.at(batch, "PmtInfSts"))
        record["batch_reasons"] = M.reasons(batch)
        record.update(numbers(batch, "batch"))
    if tx is not None:
        record["answer_id"] = M.at(tx, "StsId")
        record["instruction_id"] = M.at(tx, "OrgnlInstrId")
        record["end_to_end_id"] = M.at(tx, "OrgnlEndToEndId")
        record["uetr"] = M.at(tx, "OrgnlUETR")
        record["transaction_status"] = status(M.at(tx, "TxSts"))
        record["reasons"] = M.reasons(tx)
        record["accepted_at"] = M.at(tx, "AccptncDtTm")
        record["servicer_reference"] = M.at(tx, "AcctSvcrRef")
        record["amount"] = M.at(tx, "OrgnlTxRef/Amt/InstdAmt")
        record["currency"] = M.at(tx, "OrgnlTxRef/Amt/InstdAmt/@Ccy")
    return flat(record)


def read(body):
    (message,) = M.all(M.root(body, known="urn:iso:std:iso:20022:tech:xsd:pain.002.001.12"), "CstmrPmtStsRpt")
    batches = M.all(message, "OrgnlPmtInfAndSts")
    if not batches:
        yield answer(message)
    for batch in batches:
        transactions = M.all(batch, "TxInfAndSts")
        if not transactions:
            yield answer(message, batch)
        for tx in transactions:
            yield answer(message, batch, tx)


main(read, dict.fromkeys(["level", "status", "result"], COMPUTED))
