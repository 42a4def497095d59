"""UT-Interaction: 120 segmented clips of six interactions of two people, in UCF101's format.

Reference: Ryoo and Aggarwal, "UT-Interaction Dataset, ICPR contest on Semantic Description of Human
Activities (SDHA)", 2010, https://cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html

A group is a sequence: one recording, in which every interaction is performed once.
"""

import re

from harness.datasets.ucf101 import UCF101


class UTInteraction(UCF101):
    """Splits 01 and 02 train on one recording site and test on the other; 03 parts sequences."""

    title = "ut_interaction"
    group = re.compile(r"^(set\d+_seq\d+)_")
    list_places = ("annotations/ut_interaction", "ut_interaction", "ut_interaction/annotations")
    video_places = ("ut_interaction", "ut_interaction/videos")
