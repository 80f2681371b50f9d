# SPDX-License-Identifier: Apache-2.0
"""Disagreements that are understood and stay: neither the model's nor the harness's to mend."""
import re

# (kernels, pattern of the first difference, pattern that the scenario must have, why)
KNOWN = [
    (['7.2'], 'stopped', r'^- .*/unbind',
     'the unbind of a mounted namespace never returns in 7.2, and what comes after it waits for ever; the model goes on'),
]


def explanation(kernel, scenario, why):
    """Why guest and model may differ so; empty when that is not known."""
    text = scenario.text()
    for kernels, difference, pattern, because in KNOWN:
        if kernel in kernels and re.search(difference, why[0]) and re.search(pattern, text, re.M):
            return because
    return ''
