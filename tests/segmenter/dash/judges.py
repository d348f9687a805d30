"""Manifests before judges that nobody here wrote: the schema of ISO/IEC 23009-1 and the Schematron
rules of DASH-IF. Neither is part of this repository; where they do not lie beside it tests skip.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

SCHEMAS = Path(__file__).parents[4] / "shared" / "schemas"
XSD = SCHEMAS / "dash" / "DASH-MPD.xsd"
SCHEMATRON = SCHEMAS / "dash-schematron" / "val_schema.xsl"
XLINK_URL = "http://www.w3.org/XML/2008/06/xlink.xsd"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"

HAS_XSD = XSD.exists()


class LocalXlink(etree.Resolver):
    """The schema imports xlink's from the network; it lies beside it."""

    def resolve(self, url: str, public_id: str, context: Any) -> Any:
        if url == XLINK_URL:
            return self.resolve_filename(str(XSD.with_name("xlink.xsd")), context)
        return None


@functools.cache
def schema() -> etree.XMLSchema:
    if not HAS_XSD:
        pytest.skip("the DASH schemas are not part of this repository, and not beside it")
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True)
    parser.resolvers.add(LocalXlink())
    return etree.XMLSchema(etree.parse(str(XSD), parser))


def validate(text: str) -> None:
    """By the schema; etree.DocumentInvalid tells what is wrong."""
    schema().assertValid(etree.fromstring(text.encode()))


@functools.cache
def _rules() -> tuple[Any, Any]:
    saxonche = pytest.importorskip("saxonche", reason="XSLT 2 needs saxonche, a wheel of PyPI")
    if not SCHEMATRON.exists():
        pytest.skip("the Schematron rules are not part of this repository, and not beside it")
    processor = saxonche.PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    return processor, compiler.compile_stylesheet(stylesheet_file=str(SCHEMATRON))


def broken_rules(text: str) -> list[str]:
    """What the Schematron rules assert and is not so."""
    processor, rules = _rules()
    result = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=text))
    report = etree.fromstring(result.encode())
    failed = report.iter(f"{SVRL}failed-assert")
    return [" ".join("".join(each.itertext()).split()) for each in failed]
