# SPDX-License-Identifier: Apache-2.0
"""Disagreements that are understood and stay: neither the model's nor the harness's to mend."""
import re

# (kernels, the column it is of (None: all), pattern of the first difference, pattern that the scenario must have, why)
KNOWN = [
    (['7.2'], None, 'stopped', r'^- .*/unbind',
     'the unbind of a mounted namespace never returns in 7.2, and what comes after it waits for ever; the model goes on'),
    (['6.1'], None, r'^\d+ \S+ wr .*: ok: None != False; faulted: None != True', r'^(?=[\s\S]*^- reflink )[\s\S]*^\S+ pwrite ',
     'a store to a page that still shows the block from before a pwrite faults for ever in 6.1: insert_pfn leaves an entry for another '
     'block alone and says that all is well; the model says SIGBUS'),
    (['6.1'], None, r'^one stopped at ".*" \((not done|no sign of life)',
     r'^(?=[\s\S]*^- reflink )(?=[\s\S]*^\S+ pwrite )[\s\S]*^\S+ (wr|rbuf|touch) ',
     'in 6.1 a store to a page that still shows the block from before a pwrite faults for ever, and the guest did not come back in its time'),
    (['6.1'], 'live', r"^\d+ \S+ madv .* popread: err: 'EINVAL' != 'ENOMEM'", r'^(?=[\s\S]*^\S+ mremap )[\s\S]*^\S+ madv .* popread',
     '6.1 goes on behind a hole; memory behind it that is no device\'s is populated by the host\'s kernel, which stops at the hole'),
    (['6.1', '6.12', '7.2'], 'live', r"^\d+ \S+ wr .*: died: 'killed by signal 7 \(SIGBUS\)' != 'killed by signal 11 \(SIGSEGV\)'", r'^\S+ handler block',
     'the SIGBUS comes from another process, which Linux lets no si_code above zero (rt_tgsigqueueinfo): so it is no synchronous one, and waits '
     'behind the SIGSEGV'),
]


def explanation(kernel, scenario, why, column):
    """Why guest and model, or guest and live run (the column), may differ so; empty when that is not known."""
    text = scenario.text()
    for kernels, of, difference, pattern, because in KNOWN:
        if kernel in kernels and of in (None, column) and re.search(difference, why[0]) and re.search(pattern, text, re.M):
            return because
    return ''
