"""Simulated roads: towns whose vehicles record frames, with the true boxes of what is in them.

For tests, demonstrations and comparisons of ways to choose frames that need more night, more
sessions or more seeds than public data sets give. Nothing is downloaded, everything is drawn: a
frame takes about a millisecond of one core at 160 x 96 pixels.

A **town** (`RoadsSetting.town`, any number) has streets, people and vehicles of its own. Its
vehicles record **sessions** of consecutive frames, five a second: they drive, wait at crossings,
shake; neighbours look alike, and while the vehicle waits almost the same. Most sessions are by
day. At night there is the light of street lamps, headlights and little else, colours fade, the
sensor is noisy, and there are few persons and bicycles. Some frames are cut off, black, white,
repeated, or private.

**Boxes** are exact: the rectangle of all pixels of an object, also of those that something nearer
covers, cut to the frame. An object has one if at least 40 % of its pixels lie in the frame and are
covered by nothing, its box is at least 1/16 of the frame high and 1/40 wide. What is dark
counts as visible. A bicycle is one with its rider. Motorcycles, mopeds and their riders, pictures
of persons, signs, hydrants, posts, containers and shelters are background that looks similar.

**What the parameters are for.** They were chosen to look like a street and to make persons and
bicycles rare at night but learnable, before any method was compared on them, and favour none. They
are frozen: change a number in this package and you have other towns, whose comparisons do not go
on from earlier ones.

Measured over towns 0 to 9, 3,000 frames each, defaults, as the mean (least to most of a town).
17.3 % (14.8 to 19.4) of the frames are at night; a town of 3,000 frames has about 51 sessions.

==========  ===================  ===================  ===================  ===================
class       boxes a frame, day   boxes a frame,       frames with it,      frames with it,
                                 night                day                  night
==========  ===================  ===================  ===================  ===================
car         1.55 (1.27 to 1.78)  1.10 (0.58 to 1.59)  80 % (73 to 89)      66 % (52 to 81)
truck       0.54 (0.40 to 0.67)  0.38 (0.15 to 0.60)  41 % (33 to 49)      31 % (12 to 42)
person      1.67 (1.36 to 2.03)  0.32 (0.04 to 0.66)  56 % (51 to 63)      20 % (4 to 28)
bicycle     0.51 (0.44 to 0.63)  0.11 (0.00 to 0.29)  37 % (34 to 43)      10 % (0 to 22)
==========  ===================  ===================  ===================  ===================

Heights of boxes in pixels of a frame 96 high, 5th, 50th, 95th percentile and largest: car 6, 10,
25, 59; truck 7, 14, 40, 96; person 8, 14, 34, 85; bicycle 9, 15, 42, 79. Mean brightness is 116 of
255 by day, 43 at night.


That a night is hard and can be learned was checked once, on town 100, with a convolutional network
of 0.19 million parameters and 1,200 steps: average precision of object centers at night for car,
truck, person, bicycle is 0.16, 0.05, 0.06, 0.03 after 1,500 frames by day (which give 0.85, 0.50,
0.53, 0.36 by day), and 0.87, 0.31, 0.33, 0.30 with 1,500 frames at night beside them.

Begin with `town.Town(setting.RoadsSetting(town=3))`; `source.RoadsSource` is a source of frames,
which `winnow ingest roads:town=3,frames=2000` reads; `winnow simulate OUT` writes a COCO folder.
Bytes are the same with the same versions of NumPy and Pillow on the same kind of processor.
"""
