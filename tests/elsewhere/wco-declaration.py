"""An export declaration of the WCO Data Model, read with lxml."""

from reading import main
from trees import body
from wco import MD, amount, moment

NAMES = {"md": MD, "d": "urn:wco:datamodel:WCO:DEC-DMS:2", "ds": "urn:wco:datamodel:WCO:Declaration_DS:DMS:2"}
FUNCTION = {"9": "new", "4": "change", "3": "deletion", "5": "replacement", "1": "cancellation"}
MODE = {"9": "eu-own-propulsion"}


def party(tree, path):
    at = lambda name: tree.text(f"{path}/d:{name}")
    place = lambda name: tree.text(f"{path}/d:Address/d:{name}")
    return {"name": at("Name"), "code": at("ID"), "city": place("CityName"), "country": place("CountryCode"), "street": place("Line"), "postcode": place("PostcodeID")}


def item(tree):
    at = tree.text
    for mass in ("GrossMassMeasure", "NetNetWeightMeasure"):
        tree.is_always(f"d:Commodity/d:GoodsMeasure/d:{mass}/@unitCode", "KGM")
    charge = amount(tree, "d:Commodity/d:InvoiceLine/d:ItemChargeAmount")
    return {
        "number": at("d:SequenceNumeric"),
        "statistical_amount": amount(tree, "d:StatisticalValueAmount"),
        "transaction_nature": at("d:TransactionNatureCode"),
        "documents": [{"category": t.text("d:CategoryCode"), "number": t.text("d:ID"), "type": t.text("d:TypeCode")} for t in tree.each("d:AdditionalDocument")],
        "statements": [{"code": t.text("d:StatementCode"), "text": t.text("d:StatementDescription")} for t in tree.each("d:AdditionalInformation")],
        "name": at("d:Commodity/d:Description"),
        "hs_code": next((t.text("d:ID") for t in tree.each("d:Commodity/d:Classification") if t.text("d:IdentificationTypeCode") == "TSP"), None),
        "classifications": [
            {"code": t.text("d:ID"), "type": t.text("d:IdentificationTypeCode")}
            for t in tree.each("d:Commodity/d:Classification")
            if t.text("d:IdentificationTypeCode") != "TSP"
        ],
        "gross_weight": at("d:Commodity/d:GoodsMeasure/d:GrossMassMeasure"),
        "net_weight": at("d:Commodity/d:GoodsMeasure/d:NetNetWeightMeasure"),
        "statutory_quantity": at("d:Commodity/d:GoodsMeasure/d:TariffQuantity"),
        "statutory_unit": at("d:Commodity/d:GoodsMeasure/d:TariffQuantity/@unitCode"),
        "total_price": charge["value"],
        "currency": charge["currency"],
        "destination_country": at("d:Destination/d:CountryCode"),
        "procedures": [{"current": t.text("d:CurrentCode"), "previous": t.text("d:PreviousCode")} for t in tree.each("d:GovernmentProcedure")],
        "origin_country": at("d:Origin/d:CountryCode"),
        "packages": [
            {"sequence": t.text("d:SequenceNumeric"), "marks": t.text("d:MarksNumbersID"), "quantity": t.text("d:QuantityQuantity"), "type": t.text("d:TypeCode")}
            for t in tree.each("d:Packaging")
        ],
    }


def record(meta):
    meta.is_always("md:WCODataModelVersionCode", "3.6")
    meta.is_always("md:WCOTypeName", "DEC")
    [tree] = meta.each("d:Declaration")
    at = tree.text
    tree.is_always("d:TotalGrossMassMeasure/@unitCode", "KGM")
    goods = lambda path: at(f"d:GoodsShipment/{path}")
    mode = at("d:BorderTransportMeans/d:ModeCode")
    container = goods("d:Consignment/d:ContainerCode")
    return {
        "application_type": FUNCTION.get(at("d:FunctionCode")),
        "accepted_at": moment(tree, "d:AcceptanceDateTime"),
        "applied_at": moment(tree, "d:IssueDateTime"),
        "internal_number": at("d:FunctionalReferenceID"),
        "declaration_number": at("d:ID"),
        # The mapping is of export declarations alone.
        "direction": "export",
        "declaration_type": at("d:TypeCode"),
        "item_count": at("d:GoodsItemQuantity"),
        "customs_office": at("d:DeclarationOfficeID"),
        "invoice_amount": amount(tree, "d:InvoiceAmount"),
        "gross_weight": at("d:TotalGrossMassMeasure"),
        "packages": at("d:TotalPackageQuantity"),
        "agent": {"name": at("d:Agent/d:Name"), "code": at("d:Agent/d:ID"), "function": at("d:Agent/d:FunctionCode")},
        "authorisations": [{"holder": t.text("d:ID"), "category": t.text("d:CategoryCode")} for t in tree.each("d:AuthorisationHolder")],
        "transport_name": at("d:BorderTransportMeans/d:ID"),
        "transport_id_type": at("d:BorderTransportMeans/d:IdentificationTypeCode"),
        "transport_nationality": at("d:BorderTransportMeans/d:RegistrationNationalityCode"),
        "transport_mode": MODE.get(mode, mode),
        "carrier": {"name": at("d:Consignment/d:Carrier/d:Name"), "code": at("d:Consignment/d:Carrier/d:ID")},
        "consignor": party(tree, "d:Consignment/d:Consignor"),
        "freight_payment_method": at("d:Consignment/d:Freight/d:PaymentMethodCode"),
        "routing_countries": [{"number": t.text("d:SequenceNumeric"), "country": t.text("d:RoutingCountryCode")} for t in tree.each("d:Consignment/d:Itinerary")],
        "declarant": {"name": at("d:Declarant/d:Name"), "code": at("d:Declarant/d:ID")},
        "exit_port": at("d:ExitOffice/d:ID"),
        "merchant": {"name": at("d:Exporter/d:Name"), "code": at("d:Exporter/d:ID")},
        "consignee": party(tree, "d:GoodsShipment/d:Consignee"),
        "is_containerized": container and {"1": "true", "0": "false"}[container],
        "departure_transport": {"id": goods("d:Consignment/d:DepartureTransportMeans/d:ID"), "id_type": goods("d:Consignment/d:DepartureTransportMeans/d:IdentificationTypeCode")},
        "goods_location": {
            "name": goods("d:Consignment/d:GoodsLocation/d:Name"),
            "type": goods("d:Consignment/d:GoodsLocation/d:TypeCode"),
            "id_type": goods("d:Consignment/d:GoodsLocation/d:Address/d:TypeCode"),
            "country": goods("d:Consignment/d:GoodsLocation/d:Address/d:CountryCode"),
        },
        "loading_place": goods("d:Consignment/d:LoadingLocation/d:ID"),
        "containers": [
            {"sequence": t.text("d:SequenceNumeric"), "number": t.text("d:ID"), "seals": [{"sequence": s.text("d:SequenceNumeric"), "number": s.text("d:ID")} for s in t.each("d:Seal")]}
            for t in tree.each("d:GoodsShipment/d:Consignment/d:TransportEquipment")
        ],
        "destination_country": goods("d:Destination/d:CountryCode"),
        "export_country": goods("d:ExportCountry/d:ID"),
        "items": [item(t) for t in tree.each("d:GoodsShipment/d:GovernmentAgencyGoodsItem")],
        "previous_documents": [
            {"category": t.text("d:CategoryCode"), "number": t.text("d:ID"), "type": t.text("d:TypeCode"), "line": t.text("d:LineNumeric")}
            for t in tree.each("d:GoodsShipment/d:PreviousDocument")
        ],
        "supervising_office": at("d:SupervisingOffice/d:ID"),
    }


def read(data):
    meta = body(data, "md:MetaData", NAMES)
    return meta.whole(record(meta))


if __name__ == "__main__":
    main(read)
