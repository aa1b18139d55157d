"""The results of the paper again, on the detector twin: `make paper`.

"In-X-ray-detector computing with a CsPbBr3 single-crystal detector", figure by figure:

    gallery, compression, blade, reticle, device, sensitivity, ct, board -> [page] -> out/paper/index.html, PNGs, CSV
"""
