"""Every scene there is, by the cause that it stages."""

from __future__ import annotations

from verifier.lab.scene import Scene
from verifier.lab.scenes import announced, bodies, encrypted, faults, multiplexed, paths, pools, silent

SCENES: dict[str, Scene] = {
    scene.cause: scene
    for family in (pools, announced, silent, bodies, faults, encrypted, paths, multiplexed)
    for scene in family.SCENES
}
