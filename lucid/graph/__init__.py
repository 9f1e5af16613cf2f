"""When to record, and how to walk back: what lies under tensors; lucid.autograd is its face."""
