//! The forms in which libxml2 tells that a body is not valid, and what we say in their place.
//!
//! A form is libxml2's sentence with names in angle brackets for what varies. The names say what it is: `found` is the
//! sender's text, `children` are elements, all else is the schema's.

/// One form.
pub struct Form {
    /// What the validator says after the element's name.
    pub said: &'static str,
    /// Our rule id: stable, whatever the validator's wording.
    pub rule: &'static str,
    /// What we say, in Chinese.
    pub zh: &'static str,
    /// And in English.
    pub en: &'static str,
}

const fn form(said: &'static str, rule: &'static str, zh: &'static str, en: &'static str) -> Form {
    Form { said, rule, zh, en }
}

/// The rule of what has none of the forms.
pub const OTHER: &str = "xsd.other";

/// Every form; of several that fit, the first counts.
pub const FORMS: &[Form] = &[
    form(
        "This element is not expected. Expected is one of ( <children> ).",
        "xsd.element-unexpected",
        "此处不应出现该元素，应为以下之一：<children>",
        "this element is not expected here; expected is one of <children>",
    ),
    form(
        "This element is not expected. Expected is ( <children> ).",
        "xsd.element-unexpected",
        "此处不应出现该元素，应为 <children>",
        "this element is not expected here; expected is <children>",
    ),
    form("This element is not expected.", "xsd.element-unexpected", "此处不应出现该元素", "this element is not expected here"),
    form(
        "Missing child element(s). Expected is one of ( <children> ).",
        "xsd.element-missing",
        "缺少子元素，应有以下之一：<children>",
        "a child element is missing; expected is one of <children>",
    ),
    form(
        "Missing child element(s). Expected is ( <children> ).",
        "xsd.element-missing",
        "缺少子元素 <children>",
        "the child element <children> is missing",
    ),
    form("Missing child element(s).", "xsd.element-missing", "缺少子元素", "a child element is missing"),
    form(
        "No matching global declaration available for the validation root.",
        "xsd.undeclared",
        "所配置的 XML Schema 没有声明该根元素及其命名空间",
        "the schemas of the mapping do not declare this root element in its namespace",
    ),
    form(
        "No matching global element declaration available, but demanded by the strict wildcard.",
        "xsd.undeclared",
        "所配置的 XML Schema 没有声明该元素及其命名空间",
        "the schemas of the mapping do not declare this element in its namespace",
    ),
    form(
        "No matching global attribute declaration available, but demanded by the strict wildcard.",
        "xsd.undeclared",
        "所配置的 XML Schema 没有声明该属性及其命名空间",
        "the schemas of the mapping do not declare this attribute in its namespace",
    ),
    form("The attribute '<name>' is required but missing.", "xsd.attribute-missing", "缺少属性 <name>", "the attribute <name> is missing"),
    form(
        "The attribute '<name>' is not allowed.",
        "xsd.attribute-unexpected",
        "不允许有属性 <name>",
        "the attribute <name> is not allowed",
    ),
    form(
        "[facet 'maxLength'] The value<found> has a length of '<length>'; this exceeds the allowed maximum length of '<max>'.",
        "xsd.length",
        "长度为 <length>，最长 <max>",
        "its length is <length>; at most <max> is allowed",
    ),
    form(
        "[facet 'minLength'] The value<found> has a length of '<length>'; this underruns the allowed minimum length of '<min>'.",
        "xsd.length",
        "长度为 <length>，最短 <min>",
        "its length is <length>; at least <min> is expected",
    ),
    form(
        "[facet 'length'] The value<found> has a length of '<length>'; this differs from the allowed length of '<exact>'.",
        "xsd.length",
        "长度为 <length>，应为 <exact>",
        "its length is <length>; exactly <exact> is expected",
    ),
    form(
        "[facet 'pattern'] The value '<found>' is not accepted by the pattern '<pattern>'.",
        "xsd.pattern",
        "不符合模式 <pattern>",
        "does not match the pattern <pattern>",
    ),
    form(
        "[facet 'enumeration'] The value '<found>' is not an element of the set {<set>}.",
        "xsd.enumeration",
        "不在允许值之中：<set>",
        "is none of the values allowed: <set>",
    ),
    form(
        "[facet 'minInclusive'] The value '<found>' is less than the minimum value allowed ('<min>').",
        "xsd.range",
        "不得小于 <min>",
        "must not be less than <min>",
    ),
    form(
        "[facet 'maxInclusive'] The value '<found>' is greater than the maximum value allowed ('<max>').",
        "xsd.range",
        "不得大于 <max>",
        "must not be greater than <max>",
    ),
    form(
        "[facet 'minExclusive'] The value '<found>' must be greater than '<min>'.",
        "xsd.range",
        "必须大于 <min>",
        "must be greater than <min>",
    ),
    form("[facet 'maxExclusive'] The value '<found>' must be less than '<max>'.", "xsd.range", "必须小于 <max>", "must be less than <max>"),
    form(
        "[facet 'totalDigits'] The value '<found>' has more digits than are allowed ('<max>').",
        "xsd.digits",
        "最多 <max> 位数字",
        "has more than <max> digits",
    ),
    form(
        "[facet 'fractionDigits'] The value '<found>' has more fractional digits than are allowed ('<max>').",
        "xsd.digits",
        "小数最多 <max> 位",
        "has more than <max> digits after the point",
    ),
    form(
        "'<found>' is not a valid value of the local <variety> type.",
        "xsd.type",
        "不符合 XML Schema 规定的类型",
        "is not of the type that the schema gives here",
    ),
    form("'<found>' is not a valid value of the <variety> type '<type>'.", "xsd.type", "类型应为 <type>", "must be of the type <type>"),
    form(
        "Character content is not allowed, because the content type is empty.",
        "xsd.content",
        "该元素必须为空，不允许有文本",
        "this element must be empty; text is not allowed",
    ),
    form(
        "Element content is not allowed, because the content type is empty.",
        "xsd.content",
        "该元素必须为空，不允许有子元素",
        "this element must be empty; child elements are not allowed",
    ),
    form(
        "Character content other than whitespace is not allowed because the content type is 'element-only'.",
        "xsd.content",
        "该元素只能有子元素，不允许有文本",
        "this element holds elements alone; text is not allowed",
    ),
    form(
        "Element content is not allowed, because the type definition is simple.",
        "xsd.content",
        "该元素只能有文本，不允许有子元素",
        "this element holds text alone; child elements are not allowed",
    ),
    form(
        "The actual value '<found>' does not match the fixed value constraint '<value>'.",
        "xsd.fixed",
        "必须为固定值 <value>",
        "must be the fixed value <value>",
    ),
    form(
        "The value '<found>' does not match the fixed value constraint '<value>'.",
        "xsd.fixed",
        "必须为固定值 <value>",
        "must be the fixed value <value>",
    ),
    form("The element is not 'nillable'.", "xsd.nil", "该元素不允许 xsi:nil", "xsi:nil is not allowed on this element"),
    form(
        "Neither character nor element content is allowed because the element is 'nilled'.",
        "xsd.nil",
        "该元素标为 xsi:nil，必须为空",
        "this element says xsi:nil and must be empty",
    ),
    form(
        "The type definition is abstract.",
        "xsd.abstract",
        "该元素的类型是抽象的，须以 xsi:type 指明具体类型",
        "its type is abstract; xsi:type must name one that is not",
    ),
    form(
        "The element declaration is abstract.",
        "xsd.abstract",
        "该元素是抽象的，须用可替换它的元素",
        "this element is abstract; one that may stand for it is expected",
    ),
    form(
        "The QName value '<found>' of the xsi:type attribute does not resolve to a type definition.",
        "xsd.xsi-type",
        "xsi:type 所指的类型不存在",
        "xsi:type names a type that there is not",
    ),
    form(
        "Duplicate key-sequence [<found>] in <kind> identity-constraint '<name>'.",
        "xsd.key",
        "键值重复（约束 <name>）",
        "this key is there twice (constraint <name>)",
    ),
    form(
        "Not all fields of key identity-constraint '<name>' evaluate to a node.",
        "xsd.key",
        "键不完整（约束 <name>）",
        "a part of its key is missing (constraint <name>)",
    ),
    form(
        "No match found for key-sequence [<found>] of keyref '<name>'.",
        "xsd.key",
        "所引用的键不存在（约束 <name>）",
        "the key that it refers to is not there (constraint <name>)",
    ),
];
