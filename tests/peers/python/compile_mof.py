"""Reads classes with pywbem and writes what it understood, and how it would write them itself.

`mof` compiles the MOF on standard input; `xml` reads a list of elements CLASS of CIM-XML, as JSON.
"""

import json
import sys

import pywbem
from pywbem._mof_compiler import MOFWBEMConnection
from pywbem._tupleparse import TupleParser
from pywbem._tupletree import xml_to_tupletree_sax

NAMESPACE = "root/cimv2"


class Repository(MOFWBEMConnection):
    """Classes in memory; one that is named before it is declared is taken to be empty until then."""

    def GetClass(self, *arguments, **options):
        try:
            return super().GetClass(*arguments, **options)
        except pywbem.CIMError:
            return pywbem.CIMClass(arguments[0] if arguments else options["ClassName"])


def main():
    {"mof": compile_mof, "xml": read_xml}[sys.argv[1]]()


def read_xml():
    parser = TupleParser()
    classes = [parser.parse_class(xml_to_tupletree_sax(text, "")) for text in json.load(sys.stdin)]
    json.dump({"classes": {one.classname: described(one) for one in classes}}, sys.stdout)


def compile_mof():
    repository = Repository()
    compiler = pywbem.MOFCompiler(repository, verbose=False, log_func=None)
    compiler.compile_string(sys.stdin.read(), NAMESPACE)
    classes = repository.classes[NAMESPACE].values()
    instances = repository.instances.get(NAMESPACE, [])
    json.dump(
        {
            "classes": {one.classname: described(one) for one in classes},
            "instances": [[one.classname, {p.name: plain(p.value) for p in one.properties.values()}] for one in instances],
        },
        sys.stdout,
    )


def described(one):
    return {
        "superclass": one.superclass,
        "qualifiers": sorted(one.qualifiers),
        "properties": {p.name: [kind(p), sorted(p.qualifiers)] for p in one.properties.values()},
        "methods": {
            m.name: [m.return_type, [[p.name, kind(p), sorted(p.qualifiers)] for p in m.parameters.values()]]
            for m in one.methods.values()
        },
        "mof": one.tomof(),
    }


def kind(thing):
    if thing.type == "reference":
        name = f"{thing.reference_class} ref"
    elif "EmbeddedInstance" in thing.qualifiers:
        name = "object:" + thing.qualifiers["EmbeddedInstance"].value
    elif "EmbeddedObject" in thing.qualifiers:
        name = "object"
    else:
        name = thing.type
    return name + "[]" if thing.is_array else name


def plain(value):
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, float)) else str(value)


main()
