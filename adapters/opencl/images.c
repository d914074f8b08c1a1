/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

/* --- sizes -------------------------------------------------------------------------------- */

static uint64_t bytes_of_channel(cl_channel_type type)
{
	switch (type) {
	case CL_SNORM_INT8:
	case CL_UNORM_INT8:
	case CL_SIGNED_INT8:
	case CL_UNSIGNED_INT8:
		return 1;
	case CL_SIGNED_INT32:
	case CL_UNSIGNED_INT32:
	case CL_FLOAT:
		return 4;
	default:
		return 2;
	}
}

static uint64_t bytes_of_element(const cl_image_format *format)
{
	uint64_t channel = bytes_of_channel(format->image_channel_data_type);

	switch (format->image_channel_data_type) { /* packed: the whole element */
	case CL_UNORM_SHORT_565:
	case CL_UNORM_SHORT_555:
		return 2;
	case CL_UNORM_INT_101010:
	case CL_UNORM_INT_101010_2:
	case CL_UNORM_INT24:
		return 4;
	default:
		break;
	}
	switch (format->image_channel_order) {
	case CL_R:
	case CL_A:
	case CL_INTENSITY:
	case CL_LUMINANCE:
	case CL_DEPTH:
	case CL_Rx:
		return channel;
	case CL_RG:
	case CL_RA:
	case CL_RGx:
		return 2 * channel;
	case CL_RGB:
	case CL_RGBx:
	case CL_sRGB:
		return 3 * channel;
	default:
		return 4 * channel;
	}
}

static uint64_t at_least_1(size_t n)
{
	return n ? n : 1;
}

/* The elements alone: what the driver makes of them is known only when the image is there. */
static uint64_t least_bytes(const cl_image_format *format, const cl_image_desc *desc)
{
	uint64_t bytes, extents[3] = {at_least_1(desc->image_width), 1, 1};

	switch (desc->image_type) {
	case CL_MEM_OBJECT_IMAGE1D_ARRAY:
		extents[1] = at_least_1(desc->image_array_size);
		break;
	case CL_MEM_OBJECT_IMAGE2D_ARRAY:
		extents[1] = at_least_1(desc->image_height);
		extents[2] = at_least_1(desc->image_array_size);
		break;
	case CL_MEM_OBJECT_IMAGE3D:
		extents[2] = at_least_1(desc->image_depth);
		extents[1] = at_least_1(desc->image_height);
		break;
	case CL_MEM_OBJECT_IMAGE2D:
		extents[1] = at_least_1(desc->image_height);
		break;
	default:
		break;
	}
	bytes = bytes_of_element(format);
	for (int i = 0; i < 3; i++) {
		if (__builtin_mul_overflow(bytes, extents[i], &bytes))
			return UINT64_MAX;
	}
	return bytes;
}

/* --- images ------------------------------------------------------------------------------- */

/* A wrong call is the driver's to refuse. */
static struct allocation asked_for(cl_context context, cl_mem_flags flags,
                                   const cl_image_format *format, const cl_image_desc *desc,
                                   const char *site)
{
	uint64_t bytes = format && desc ? least_bytes(format, desc) : 0;
	struct allocation asked = memory_asked(context, bytes, flags, site);

	if (desc && desc->mem_object) {
		asked.owner = desc->mem_object;
		asked.flags |= MT_VIEW;
	}
	return asked;
}

/* What follows the target's call. */
static cl_mem created(struct allocation *asked, cl_mem memory, cl_int error, cl_int *errcode_ret)
{
	if (memory)
		asked->bytes = memory_size(memory, asked->bytes);
	return memory_created(asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateImage(cl_context context, cl_mem_flags flags,
                                                          const cl_image_format *format,
                                                          const cl_image_desc *desc, void *host_ptr,
                                                          cl_int *errcode_ret)
{
	struct allocation asked;
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateImage(context, flags, format, desc, host_ptr, errcode_ret);
	asked = asked_for(context, flags, format, desc, "clCreateImage");
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateImage(context, flags, format, desc, host_ptr, &error);
	return created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL
hook_clCreateImageWithProperties(cl_context context, const cl_mem_properties *properties,
                                 cl_mem_flags flags, const cl_image_format *format,
                                 const cl_image_desc *desc, void *host_ptr, cl_int *errcode_ret)
{
	struct allocation asked;
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateImageWithProperties(context, properties, flags, format, desc,
		                                          host_ptr, errcode_ret);
	asked = asked_for(context, flags, format, desc, "clCreateImageWithProperties");
	memory_properties(properties, &asked);
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateImageWithProperties(context, properties, flags, format,
		                                            desc, host_ptr, &error);
	return created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateImage2D(cl_context context, cl_mem_flags flags,
                                                            const cl_image_format *format,
                                                            size_t width, size_t height,
                                                            size_t pitch, void *host_ptr,
                                                            cl_int *errcode_ret)
{
	const cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = width, .image_height = height};
	struct allocation asked;
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateImage2D(context, flags, format, width, height, pitch,
		                              host_ptr, errcode_ret);
	asked = asked_for(context, flags, format, &desc, "clCreateImage2D");
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateImage2D(context, flags, format, width, height, pitch,
		                                host_ptr, &error);
	return created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateImage3D(cl_context context, cl_mem_flags flags,
                                                            const cl_image_format *format,
                                                            size_t width, size_t height,
                                                            size_t depth, size_t row_pitch,
                                                            size_t slice_pitch, void *host_ptr,
                                                            cl_int *errcode_ret)
{
	const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE3D,
	                            .image_width = width,
	                            .image_height = height,
	                            .image_depth = depth};
	struct allocation asked;
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateImage3D(context, flags, format, width, height, depth,
		                              row_pitch, slice_pitch, host_ptr, errcode_ret);
	asked = asked_for(context, flags, format, &desc, "clCreateImage3D");
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateImage3D(context, flags, format, width, height, depth,
		                                row_pitch, slice_pitch, host_ptr, &error);
	return created(&asked, memory, error, errcode_ret);
}

/* --- what is shared with graphics: another interface's memory, opened here ------------------- */

static struct allocation imported(cl_context context, const char *site)
{
	struct allocation asked = memory_asked(context, 0, 0, site);

	asked.flags |= MT_IMPORT;
	return asked;
}

#define HOOK_IMPORT(function, parameters, arguments)                                               \
	static CL_API_ENTRY cl_mem CL_API_CALL hook_##function parameters                          \
	{                                                                                          \
		struct allocation asked = imported(context, #function);                            \
		cl_int *errcode_ret = ret_error, error = CL_SUCCESS;                               \
		cl_mem memory;                                                                     \
                                                                                                   \
		if (!layer_call_enter())                                                           \
			return target.function arguments;                                          \
		ret_error = &error;                                                                \
		memory = target.function arguments;                                                \
		return created(&asked, memory, error, errcode_ret);                                \
	}

HOOK_IMPORT(clCreateFromGLBuffer,
            (cl_context context, cl_mem_flags flags, cl_GLuint object, cl_int *ret_error),
            (context, flags, object, ret_error))
HOOK_IMPORT(clCreateFromGLRenderbuffer,
            (cl_context context, cl_mem_flags flags, cl_GLuint object, cl_int *ret_error),
            (context, flags, object, ret_error))
HOOK_IMPORT(clCreateFromGLTexture,
            (cl_context context, cl_mem_flags flags, cl_GLenum kind, cl_GLint level,
             cl_GLuint object, cl_int *ret_error),
            (context, flags, kind, level, object, ret_error))
HOOK_IMPORT(clCreateFromGLTexture2D,
            (cl_context context, cl_mem_flags flags, cl_GLenum kind, cl_GLint level,
             cl_GLuint object, cl_int *ret_error),
            (context, flags, kind, level, object, ret_error))
HOOK_IMPORT(clCreateFromGLTexture3D,
            (cl_context context, cl_mem_flags flags, cl_GLenum kind, cl_GLint level,
             cl_GLuint object, cl_int *ret_error),
            (context, flags, kind, level, object, ret_error))
HOOK_IMPORT(clCreateFromEGLImageKHR,
            (cl_context context, CLeglDisplayKHR display, CLeglImageKHR image, cl_mem_flags flags,
             const cl_egl_image_properties_khr *properties, cl_int *ret_error),
            (context, display, image, flags, properties, ret_error))

void images_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clCreateImage);
	LAYER_HOOK(table, clCreateImageWithProperties);
	LAYER_HOOK(table, clCreateImage2D);
	LAYER_HOOK(table, clCreateImage3D);
	LAYER_HOOK(table, clCreateFromGLBuffer);
	LAYER_HOOK(table, clCreateFromGLRenderbuffer);
	LAYER_HOOK(table, clCreateFromGLTexture);
	LAYER_HOOK(table, clCreateFromGLTexture2D);
	LAYER_HOOK(table, clCreateFromGLTexture3D);
	LAYER_HOOK(table, clCreateFromEGLImageKHR);
}
