"""Reads a page of metrics with the OpenMetrics parser of prometheus_client, and prints its text and samples as JSON."""

import json
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def name(sample):
    labels = ",".join(f'{label}="{value}"' for label, value in sorted(sample.labels.items()))
    return sample.name + "{" + labels + "}"


with urllib.request.urlopen(sys.argv[1]) as response:
    assert response.headers["Content-Type"].startswith("application/openmetrics-text"), response.headers
    text = response.read().decode()
families = text_string_to_metric_families(text)
samples = {name(sample): sample.value for family in families for sample in family.samples}
print(json.dumps([text, samples]))
