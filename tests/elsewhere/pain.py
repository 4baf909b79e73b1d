"""What the scripts of pain messages share: paths of ISO 20022, checked against the XSDs and read with lxml."""

from decimal import Decimal

from lxml import etree

from reading import package_file

STATUS = {
    "ACCC": "credited", "ACCP": "accepted-profile", "ACFC": "funds-checked", "ACIS": "accepted-cheque-issued",
    "ACPD": "accepted-clearing-processed", "ACSC": "settled", "ACSP": "settling", "ACTC": "accepted-technical",
    "ACWC": "accepted-with-change", "ACWP": "accepted-not-posted", "BLCK": "blocked", "CANC": "cancelled",
    "CPUC": "cash-picked-up", "PART": "partly-accepted", "PATC": "partly-accepted-technical", "PDNG": "pending",
    "PRES": "presented", "RCVD": "received", "RJCT": "rejected",
}


class Message:
    def __init__(self, name, *schema):
        self.namespaces = {"c": "urn:iso:std:iso:20022:tech:xsd:" + name}
        self.schema = etree.XMLSchema(file=package_file("pain001", *schema))

    def root(self, body, known=None):
        """The message, valid as the XSD says; `known` is the version that the XSD is of where there is none of its own."""
        root = etree.fromstring(body)
        assert root.tag == "{%s}Document" % self.namespaces["c"], root.tag
        checked = root if known is None else etree.fromstring(body.replace(self.namespaces["c"].encode(), known.encode()))
        self.schema.assertValid(checked)
        return root

    def all(self, element, path):
        """What stands at `A/B/@x`, in the message's namespace."""
        steps = [step if step.startswith("@") else "c:" + step for step in path.split("/")]
        return element.xpath("./" + "/".join(steps), namespaces=self.namespaces)

    def at(self, element, path):
        found = self.all(element, path)
        assert len(found) <= 1, (path, found)
        return None if not found else found[0] if isinstance(found[0], str) else found[0].text or ""

    def texts(self, element, path):
        return [found.text for found in self.all(element, path)]

    def account(self, element, path):
        return {"iban": self.at(element, path + "/Id/IBAN"), "number": self.at(element, path + "/Id/Othr/Id")}

    def party(self, element, role, agent, **more):
        return {
            "name": self.at(element, role + "/Nm"),
            "account": self.account(element, role + "Acct"),
            "agent_bic": self.at(agent, role + "Agt/FinInstnId/BICFI"),
            "agent_member_id": self.at(agent, role + "Agt/FinInstnId/ClrSysMmbId/MmbId"),
            **more,
        }

    def reasons(self, element):
        return [
            {"code": self.at(r, "Rsn/Cd"), "proprietary": self.at(r, "Rsn/Prtry"), "information": self.texts(r, "AddtlInf")}
            for r in self.all(element, "StsRsnInf")
        ]

    def check_totals(self, message, transaction, amount):
        """What a message and its batches say of themselves is so."""
        transactions = 0, Decimal(0)
        for batch in self.all(message, "PmtInf"):
            amounts = [Decimal(self.at(tx, amount)) for tx in self.all(batch, transaction)]
            told = int(self.at(batch, "NbOfTxs")), Decimal(self.at(batch, "CtrlSum"))
            assert told == (len(amounts), sum(amounts)), told
            transactions = transactions[0] + told[0], transactions[1] + told[1]
        told = int(self.at(message, "GrpHdr/NbOfTxs")), Decimal(self.at(message, "GrpHdr/CtrlSum"))
        assert told == transactions, told

    def common(self, message, batch, tx):
        end_to_end_id = self.at(tx, "PmtId/EndToEndId")
        return {
            "message_id": self.at(message, "GrpHdr/MsgId"),
            "message_created_at": self.at(message, "GrpHdr/CreDtTm"),
            "initiator": {"name": self.at(message, "GrpHdr/InitgPty/Nm"), "id": self.at(message, "GrpHdr/InitgPty/Id/OrgId/Othr/Id")},
            "batch_id": self.at(batch, "PmtInfId"),
            "instruction_id": self.at(tx, "PmtId/InstrId"),
            "end_to_end_id": None if end_to_end_id == "NOTPROVIDED" else end_to_end_id,
            "uetr": self.at(tx, "PmtId/UETR"),
            "remittance_information": self.texts(tx, "RmtInf/Ustrd"),
        }
