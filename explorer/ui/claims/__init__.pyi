from .claims import draw_claims as draw_claims
