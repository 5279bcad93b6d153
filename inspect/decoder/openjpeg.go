package decoder

/*
#cgo pkg-config: libopenjp2
#include <openjpeg.h>
#include <stdlib.h>
#include <string.h>

typedef struct { const unsigned char *data; size_t size, at; } source;

static OPJ_SIZE_T src_read(void *to, OPJ_SIZE_T n, void *user) {
	source *s = user;
	if (s->at >= s->size) return (OPJ_SIZE_T)-1;
	if (n > s->size - s->at) n = s->size - s->at;
	memcpy(to, s->data + s->at, n);
	s->at += n;
	return n;
}
static OPJ_OFF_T src_skip(OPJ_OFF_T n, void *user) {
	source *s = user;
	if (n < 0 || (OPJ_UINT64)n > s->size - s->at) { s->at = s->size; return -1; }
	s->at += n;
	return n;
}
static OPJ_BOOL src_seek(OPJ_OFF_T to, void *user) {
	source *s = user;
	if (to < 0 || (OPJ_UINT64)to > s->size) return OPJ_FALSE;
	s->at = to;
	return OPJ_TRUE;
}
static void quiet(const char *m, void *u) { (void)m; (void)u; }

// decode_j2k writes RGB into a buffer of its own; the caller frees it. 0 is success.
static int decode_j2k(const unsigned char *data, size_t size, int boxed, unsigned max_side, unsigned long max_pixels,
	unsigned *w, unsigned *h, unsigned char **out) {
	source s = { data, size, 0 };
	int rc = 1;
	opj_image_t *img = NULL;
	opj_codec_t *codec = opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
	opj_stream_t *stream = opj_stream_create(64 << 10, OPJ_TRUE);
	if (!codec || !stream) goto end;
	opj_set_error_handler(codec, quiet, NULL);
	opj_set_warning_handler(codec, quiet, NULL);
	opj_set_info_handler(codec, quiet, NULL);
	opj_stream_set_read_function(stream, src_read);
	opj_stream_set_skip_function(stream, src_skip);
	opj_stream_set_seek_function(stream, src_seek);
	opj_stream_set_user_data(stream, &s, NULL);
	opj_stream_set_user_data_length(stream, size);
	opj_dparameters_t p;
	opj_set_default_decoder_parameters(&p);
	if (!opj_setup_decoder(codec, &p) || !opj_read_header(stream, codec, &img)) goto end;
	// Sizes are looked at before a pixel is decoded.
	if (img->x1 <= img->x0 || img->y1 <= img->y0) goto end;
	*w = img->x1 - img->x0;
	*h = img->y1 - img->y0;
	if (*w > max_side || *h > max_side || (unsigned long)*w * *h > max_pixels) goto end;
	if (img->numcomps != 1 && img->numcomps != 3 && img->numcomps != 4) goto end;
	for (unsigned i = 0; i < img->numcomps; i++) {
		opj_image_comp_t *c = &img->comps[i];
		if (c->prec < 1 || c->prec > 16 || c->dx < 1 || c->dx > 4 || c->dy < 1 || c->dy > 4) goto end;
	}
	if (!opj_decode(codec, stream, img) || !opj_end_decompress(codec, stream)) goto end;
	// Decoding may have applied a palette or a channel definition: everything is looked at again.
	if (img->numcomps != 1 && img->numcomps != 3 && img->numcomps != 4) goto end;
	unsigned planes = img->numcomps >= 3 ? 3 : 1;
	for (unsigned i = 0; i < planes; i++) {
		opj_image_comp_t *c = &img->comps[i];
		if (!c->data || c->w < 1 || c->h < 1 || c->w > max_side || c->h > max_side) goto end;
		if (c->prec < 1 || c->prec > 16 || c->dx < 1 || c->dx > 4 || c->dy < 1 || c->dy > 4) goto end;
	}
	unsigned char *o = malloc((size_t)3 * *w * *h);
	if (!o) goto end;
	int ycc = planes == 3 && (img->color_space == OPJ_CLRSPC_SYCC || img->comps[1].dx > 1);
	for (unsigned y = 0; y < *h; y++) for (unsigned x = 0; x < *w; x++) {
		int v[3];
		for (unsigned i = 0; i < 3; i++) {
			opj_image_comp_t *c = &img->comps[i < planes ? i : 0];
			unsigned cx = x / c->dx, cy = y / c->dy;
			if (cx >= c->w) cx = c->w - 1;
			if (cy >= c->h) cy = c->h - 1;
			int q = c->data[(size_t)cy * c->w + cx];
			if (c->sgnd) q += 1 << (c->prec - 1);
			if (c->prec > 8) q >>= c->prec - 8; else if (c->prec < 8) q = q * 255 / ((1 << c->prec) - 1);
			v[i] = q < 0 ? 0 : q > 255 ? 255 : q;
		}
		if (ycc) {
			double Y = v[0], cb = v[1] - 128, cr = v[2] - 128;
			double r = Y + 1.402 * cr, g = Y - 0.344 * cb - 0.714 * cr, b = Y + 1.772 * cb;
			v[0] = r < 0 ? 0 : r > 255 ? 255 : r;
			v[1] = g < 0 ? 0 : g > 255 ? 255 : g;
			v[2] = b < 0 ? 0 : b > 255 ? 255 : b;
		}
		unsigned char *px = o + 3 * ((size_t)y * *w + x);
		px[0] = v[0]; px[1] = v[1]; px[2] = v[2];
	}
	*out = o;
	rc = 0;
end:
	if (img) opj_image_destroy(img);
	if (stream) opj_stream_destroy(stream);
	if (codec) opj_destroy_codec(codec);
	return rc;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// openjpeg decodes JPEG 2000. It runs in the child only.
func openjpeg(file []byte, boxed bool) (*Image, error) {
	b := C.int(0)
	if boxed {
		b = 1
	}
	var w, h C.uint
	var out *C.uchar
	if C.decode_j2k((*C.uchar)(unsafe.Pointer(&file[0])), C.size_t(len(file)), b, MaxSide, MaxPixels, &w, &h, &out) != 0 {
		return nil, errors.New("decoder: jpeg 2000")
	}
	defer C.free(unsafe.Pointer(out))
	n := 3 * int(w) * int(h)
	return &Image{W: int(w), H: int(h), Pix: C.GoBytes(unsafe.Pointer(out), C.int(n))}, nil
}
