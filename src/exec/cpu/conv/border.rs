//! The source of a convolution in a worker's scratch, with zeros around it, so that no loop asks whether a
//! pixel lies in the image (the copy costs 1 to 2 % of a 3 x 3 convolution of 64 channels). Where the
//! windows never leave the image, the image itself is read.

use super::windows::Reach;

/// Where pixels stand in the bordered source.
#[derive(Clone, Debug)]
pub struct Border {
    /// Height, width, channels of the image itself.
    pub image: [usize; 3],
    /// Image position of the first bordered row and column.
    first: [isize; 2],
    /// Rows and columns with the border (or without what is never read).
    size: [usize; 2],
    /// Floats from row to row and from image to image.
    pub pitch: usize,
    pub image_pitch: usize,
    /// No border is needed: the image is read in place.
    pub direct: bool,
}

impl Border {
    pub fn new(image: [usize; 3], rows: &Reach, cols: &Reach) -> Self {
        let [h, w, c] = image;
        let inside = |r: &Reach, n: usize| r.first == 0 && r.len <= n;
        let direct = inside(rows, h) && inside(cols, w);
        let size = if direct { [h, w] } else { [rows.len, cols.len] };
        let (first, pitch) = ([rows.first, cols.first], size[1] * c);
        Border { image, first, size, pitch, image_pitch: size[0] * pitch, direct }
    }

    /// Floats that `images` images need in the scratch.
    pub fn floats(&self, images: usize) -> usize {
        if self.direct { 0 } else { images * self.image_pitch }
    }

    /// Along one axis: the image's first and last needed position, and where the first one stands.
    fn overlap(&self, axis: usize) -> (usize, usize, usize) {
        let (first, size) = (self.first[axis], self.size[axis]);
        let from = (first.max(0) as usize).min(self.image[axis]);
        let to = (first + size as isize).clamp(0, self.image[axis] as isize) as usize;
        if from < to { (from, to, (from as isize - first) as usize) } else { (0, 0, size) }
    }

    /// Zeroes the border, everything that [`fill`](Self::fill) will not write, in `images` places.
    ///
    /// # Safety
    /// `scratch` is writable for [`floats`](Self::floats)`(images)`.
    pub unsafe fn clear(&self, scratch: *mut f32, images: usize) {
        let c = self.image[2];
        let ((top, bottom, row), (left, right, col)) = (self.overlap(0), self.overlap(1));
        let (end_row, end_col) = (row + bottom - top, col + right - left);
        let zero = |start: usize, floats: usize| {
            // Safety: rows and columns below lie in the bordered image.
            unsafe { std::ptr::write_bytes(scratch.add(start), 0, floats) }
        };
        for i in 0..images {
            let image = i * self.image_pitch;
            zero(image, row * self.pitch);
            for y in row..end_row {
                zero(image + y * self.pitch, col * c);
                zero(image + y * self.pitch + end_col * c, (self.size[1] - end_col) * c);
            }
            zero(image + end_row * self.pitch, (self.size[0] - end_row) * self.pitch);
        }
    }

    /// Copies `images` images into their places.
    ///
    /// # Safety
    /// `source` is readable for the images, `scratch` writable for [`floats`](Self::floats)`(images)`.
    pub unsafe fn fill(&self, source: *const f32, scratch: *mut f32, images: usize) {
        let [h, w, c] = self.image;
        let ((top, bottom, row), (left, right, col)) = (self.overlap(0), self.overlap(1));
        for i in 0..images {
            for y in top..bottom {
                // Safety: y < h and left <= right <= w lie in the image, row and col in the bordered one.
                unsafe {
                    let from = source.add(((i * h + y) * w + left) * c);
                    let to =
                        scratch.add(i * self.image_pitch + (row + y - top) * self.pitch + col * c);
                    std::ptr::copy_nonoverlapping(from, to, (right - left) * c);
                }
            }
        }
    }
}
