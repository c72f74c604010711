"""The bridge to BertViz: its own three views, of any trace.

    al.bertviz.head_view(trace)                      # in a notebook
    page = al.bertviz.head_view(trace, html=True)    # the whole page, to be written to a file

A model of one's own, however its attention is written, in three lines:

    with al.bertviz.capture(model) as recording:
        model(x)
    al.bertviz.head_view(recording)

And back, from what one gives to BertViz to everything else here:

    trace = al.bertviz.trace(outputs.attentions, tokens)

The pictures are BertViz's: its scripts, from the installed package. What is around them is not: weights are written
once and as bytes, a page needs no network, its libraries disturb no other on the page, nothing that a token says can
run, and what BertViz would draw wrongly, or not at all, is refused with the way out.
"""

from ..recorder import capture
from ._inputs import trace
from ._views import head_view, model_view, neuron_view

__all__ = ["capture", "head_view", "model_view", "neuron_view", "trace"]
