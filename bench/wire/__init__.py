"""Our figures against the kernel's packet times, on servers that nobody here wrote and on the mock server.

The truth is what tcpdump captures on loopback. Rules:

- ttft: from the first packet of a request to the packet that completes the first event with text.
- gap: from one chunk with text to the next, over all answers. One token per chunk on both sides, so that this
  compares moments alone.
- itl and tpot: as reported, over the answers in which the wire shows where each token is: the server counts
  as many tokens as there are chunks with text, or one more for the end of the sequence.
- Counts: each answer has the chunks with text that the wire has, and the output tokens of the server's usage.

A request that the client sends again, because the server has closed an idle connection, counts once. Warm-up
takes place before the capture.
"""
