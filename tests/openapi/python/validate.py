"""Reads a document and says on standard error what is wrong with it as OpenAPI 3.1; nothing else is done."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

faults = [f"{list(fault.absolute_path)}: {fault.message}" for fault in OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors()]
sys.exit("\n".join(faults) if faults else 0)
