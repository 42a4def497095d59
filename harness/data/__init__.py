"""From labelled clips to batches: decode and flow once, cache, cut samples. No torch."""
