"""NumPy models of every gateware stage, bit for bit, written without looking at the gateware's classes."""
