"""Which nodes of each tree-sitter grammar define something, and which only wrap or hold definitions."""

from dataclasses import dataclass

from assistant.grammars import Grammar
from assistant.languages import Language


@dataclass(frozen=True, slots=True)
class NodeTypes:
    """Names of a grammar's node types.

    Attributes:
        functions: a signature and a body, or a signature alone.
        classes: a head and members in a body.
        values: statements that give one thing a name: constants, type aliases, functions held by variables.
        wrappers: hold one definition and belong to it: decorators, `export`, `template<…>`.
        holders: hold definitions but are none themselves.
        fields: members that are neither functions nor classes.
        scopes: what a cursor can be in whose names matter to it: functions' nodes.
    """

    functions: frozenset[str]
    classes: frozenset[str]
    values: frozenset[str]
    wrappers: frozenset[str]
    holders: frozenset[str]
    fields: frozenset[str]
    scopes: frozenset[str]


def _types(names: str) -> frozenset[str]:
    return frozenset(names.split())


_ECMASCRIPT = NodeTypes(
    functions=_types(
        "function_declaration generator_function_declaration function_signature method_definition method_signature "
        "abstract_method_signature"
    ),
    classes=_types("class_declaration abstract_class_declaration interface_declaration enum_declaration"),
    values=_types("lexical_declaration variable_declaration type_alias_declaration assignment_expression"),
    wrappers=_types("export_statement ambient_declaration"),
    holders=_types("program expression_statement internal_module module statement_block"),
    fields=_types("public_field_definition field_definition property_signature property_identifier enum_assignment"),
    scopes=_types(
        "function_declaration generator_function_declaration method_definition arrow_function function_expression"
    ),
)

NODE_TYPES = {
    Grammar.PYTHON: NodeTypes(
        functions=_types("function_definition"),
        classes=_types("class_definition"),
        values=_types("assignment type_alias_statement"),
        wrappers=_types("decorated_definition"),
        holders=_types("module expression_statement if_statement try_statement block"),
        fields=_types("assignment"),
        scopes=_types("function_definition"),
    ),
    Grammar.JAVA: NodeTypes(
        functions=_types("method_declaration constructor_declaration"),
        classes=_types("class_declaration interface_declaration enum_declaration record_declaration"),
        values=frozenset(),
        wrappers=frozenset(),
        holders=_types("program enum_body_declarations"),
        fields=_types("field_declaration constant_declaration enum_constant"),
        scopes=_types("method_declaration constructor_declaration"),
    ),
    Grammar.CPP: NodeTypes(
        functions=_types("function_definition"),
        classes=_types("class_specifier struct_specifier union_specifier enum_specifier"),
        values=_types("declaration type_definition alias_declaration preproc_def preproc_function_def"),
        wrappers=_types("template_declaration"),
        holders=_types(
            "translation_unit namespace_definition declaration_list linkage_specification preproc_ifdef preproc_if "
            "preproc_else preproc_elif"
        ),
        fields=_types("field_declaration enumerator"),
        scopes=_types("function_definition"),
    ),
    Grammar.JAVASCRIPT: _ECMASCRIPT,
    Grammar.TYPESCRIPT: _ECMASCRIPT,
    Grammar.TSX: _ECMASCRIPT,
}

# Files of one language use each other's definitions.
LANGUAGES = {
    Grammar.PYTHON: Language.PYTHON,
    Grammar.JAVA: Language.JAVA,
    Grammar.CPP: Language.CPP,
    Grammar.JAVASCRIPT: Language.JAVASCRIPT,
    Grammar.TYPESCRIPT: Language.JAVASCRIPT,
    Grammar.TSX: Language.JAVASCRIPT,
}
