"""The detector twin: from X-ray tube to the two samples of every pixel that the gateware takes.

    spectrum -> attenuation (filter, object) -> charge (pairs, collection) -> noise (photons, Fano, dark current)
        -> lag -> front_end (integration, CDS samples, ADC) -> uint16[n, 2, rows, columns]              array.Twin

    kernel weights -> response (bias of each sub-pixel) -> bias_table (codes of the converters)
        -> macro_pixel (Kirchhoff sum)

`material` reads the crystals' records; `sensitivity`, `linearity` and `photon_transfer` measure what was built.
Units: keV, mm, g/cm3, uGy (air kerma), V, seconds, kelvin; charge in electrons where nothing else is said. A positive
bias is forward: the electrode that the X-rays enter by is the positive one, holes cross the crystal, and the signal
counts as positive. With a negative bias electrons cross it.
"""
