"""The bridge to BertViz: its own three views, of any trace.

    al.bertviz.head_view(trace)                      # in a notebook
    page = al.bertviz.head_view(trace, html=True)    # the whole page, to be written to a file

Any torch module, however its attention is written, in three lines:

    with al.bertviz.capture(model) as recording:
        model(x)
    al.bertviz.head_view(recording)

And back, from the arguments of BertViz's views to a trace:

    trace = al.bertviz.trace(outputs.attentions, tokens)

The pictures are drawn by BertViz's scripts, from the installed package. The page around them is attnlens's: weights
are stored once and as bytes, the page needs no network, its libraries do not conflict with others on the page, no text
of a token can run as code, and what BertViz would draw wrongly, or not at all, is refused with a remedy.
"""

from ..recorder import capture
from ._inputs import trace
from ._views import head_view, model_view, neuron_view

__all__ = ["capture", "head_view", "model_view", "neuron_view", "trace"]
