"""The presets of VSMT and the rows of its ablation table."""

from __future__ import annotations

from napari_virtual_ihc.methods.recipe import Augmentation
from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe

PRESETS = {
    "paper": VsmtRecipe(guide_loss="l2"),
    "code": VsmtRecipe(),
    "demo": VsmtRecipe(
        n_epochs=6,
        n_epochs_decay=2,
        batch_size=2,
        crop_size=96,
        ngf=16,
        ndf=16,
        n_layers_d=3,
        nce_layers=(0, 4, 8, 12),
        num_patches=64,
        netf_width=64,
        guide_width=64,
        block=16,
        lr=1e-3,
        ramp_epochs=1,
        ramp_pictures=1000,
        augmentation=Augmentation(turn=True),
    ),
    "smoke": VsmtRecipe(
        n_epochs=3,
        n_epochs_decay=1,
        batch_size=2,
        crop_size=64,
        ngf=8,
        ndf=8,
        n_layers_d=2,
        nce_layers=(0, 4, 8, 12),
        num_patches=64,
        netf_width=32,
        features="generator",
        guide_width=16,
        block=16,
        ramp_epochs=0,
        augmentation=Augmentation(turn=True),
    ),
}

ABLATIONS = {
    "no FG": ("guidance=false",),
    "FG w/o alignment": ("alignment=none", "lambda_task=0"),
    "SA only": ("lambda_task=0",),
    "TA only": ("alignment=none",),
    "w/o SEL": ("lambda_sel=0",),
    "OT": ("alignment=transport",),
    "w/o H&E semantics": ("he_semantics=false",),
    "w/o reconstruction": ("reconstruction=false",),
    "w/o std": ("lambda_std=0",),
    "K=2": ("n_classes=2",),
    "K=4": ("n_classes=4",),
    "K=5": ("n_classes=5",),
}
"""Rows as settings; SA is read as the moving of features onto the H&E (spatial alignment), TA as
the likeness of fused features to the moved ones (task alignment), where the paper's text and its
code leave it open."""
