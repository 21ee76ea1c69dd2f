"""What an arm leaves when it collapses, on both sides of that moment."""

LEFT_BY_A_COLLAPSE = [
    pattern.format(side)
    for side in ("before_collapse", "at_collapse")
    for pattern in (
        "model_{}.pt",
        "activation_report_{}.json",
        "activation_profile_{}.png",
        "grad_hist_{}.npz",
        "grad_hist_{}.png",
    )
]
