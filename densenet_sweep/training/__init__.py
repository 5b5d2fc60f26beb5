"""Training and evaluation of one network: plain torch, configured by arguments alone."""
