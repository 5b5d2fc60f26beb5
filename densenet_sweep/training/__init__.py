"""Training and evaluation of one network: plain torch, told everything by its arguments."""
