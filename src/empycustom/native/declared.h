/* What is used of the C libraries. `make format` turns this into _declared.py, which is what Python reads.
 *
 * The layouts are public and have not changed since GStreamer 1.0. A name is looked up when it is first used: a test looks all of
 * them up, and compares the layouts with those that GObject introspection knows.
 *
 * An address goes in and comes out as an integer: no cast, and an integer is what the rest of the package knows.
 */
typedef uintptr_t address;

/* GLib and GObject */
typedef int gboolean;
typedef size_t GType;
typedef uint32_t GQuark;
typedef struct _GList { void *data; struct _GList *next, *prev; } GList;
typedef struct _Addresses { address data; struct _Addresses *next; } Addresses; /* a GList again, with integers in it */
typedef struct { GType g_type; uint64_t data, more; } GValue;
address g_list_remove(address list, address data);
void *g_object_ref(void *object);
address g_object_new(GType type, const char *first, ...);
address g_object_ref_sink(address object);
void g_object_force_floating(void *object);
gboolean g_object_is_floating(void *object);
const char *g_quark_to_string(GQuark quark);
address g_strdup(const char *text);
address g_malloc0(size_t size);
address g_malloc(size_t size);
void g_free(void *memory);
void g_atomic_int_inc(int *number);
address g_intern_string(const char *text);
address g_atomic_rc_box_alloc0(size_t size);
address g_atomic_rc_box_acquire(address box);
void g_atomic_rc_box_release(address box);
GQuark g_quark_from_string(const char *text);
void g_value_set_boxed(address value, address boxed);
void g_value_set_static_string(address value, const char *text);
unsigned g_signal_lookup(const char *name, GType type);
unsigned long g_signal_handler_find(address object, int mask, unsigned signal, GQuark detail, address closure, address function, address data);
gboolean g_signal_has_handler_pending(address object, unsigned signal, GQuark detail, gboolean may_be_blocked);
typedef struct { int value; const char *value_name, *value_nick; } GEnumValue;
GType g_enum_register_static(const char *name, const GEnumValue *values);

typedef struct { void *g_class; } GTypeInstance;
typedef struct { GType type; const char *type_name; uint32_t class_size, instance_size; } GTypeQuery;
typedef struct {
    uint16_t class_size; void *base_init, *base_finalize, *class_init, *class_finalize; const void *class_data;
    uint16_t instance_size, n_preallocs; void *instance_init; const void *value_table;
} GTypeInfo;
typedef struct {
    GTypeInstance instance; const char *name; unsigned flags; GType value_type, owner_type;
    char *nick, *blurb; void *qdata; unsigned ref_count, param_id;
} GParamSpec;
typedef struct { GParamSpec parent; int minimum, maximum, default_value; } GParamSpecInt;
typedef struct { GParamSpec parent; unsigned minimum, maximum, default_value; } GParamSpecUInt;
typedef struct {
    GType g_type; GType value_type; void *finalize, *value_set_default, *value_validate, *values_cmp, *value_is_valid;
} GParamSpecClass;
void g_type_query(GType type, GTypeQuery *query);
GType g_type_from_name(const char *name);
const char *g_type_name(GType type);
GType g_type_register_static(GType parent, const char *name, const GTypeInfo *info, int flags);
void *g_type_class_ref(GType type);
GParamSpec *g_param_spec_internal(GType type, const char *name, const char *nick, const char *blurb, unsigned flags);
void g_object_class_install_property(void *object_class, unsigned property_id, GParamSpec *spec);

/* The C library */
address mmap(address at, size_t size, int protection, int flags, int file, long offset);
int munmap(address at, size_t size);
int sched_getcpu(void);

/* Buffers and their memory */
typedef struct {
    GType type; int refcount, lockstate; unsigned flags; void *copy, *dispose, *free; unsigned priv_uint; void *priv_pointer;
} GstMiniObject;
typedef struct { GstMiniObject mini_object; void *pool; uint64_t pts, dts, duration, offset, offset_end; } GstBuffer;
typedef struct { GstMiniObject mini_object; void *allocator; address parent; size_t maxsize, align, offset, size; } GstMemory;
typedef struct {
    GstMemory *memory; int flags; uint8_t *data; size_t size, maxsize; void *user_data[4], *reserved[4];
} GstMapInfo;
void gst_init(int *argc, char ***argv);
address gst_buffer_new(void);
size_t gst_buffer_get_size(address buffer);
void gst_buffer_remove_all_memory(address buffer);
void gst_buffer_append_memory(address buffer, void *memory);
void *gst_memory_new_wrapped(
    int flags, address data, size_t maxsize, size_t offset, size_t size, address user_data, address notify);
address gst_buffer_copy_region(address buffer, int flags, size_t offset, size_t size);
GType gst_parent_buffer_meta_api_get_type(void);
gboolean gst_buffer_copy_into(address to, address from, int flags, size_t offset, size_t size);
gboolean gst_buffer_map(address buffer, GstMapInfo *info, int flags);
void gst_buffer_unmap(address buffer, GstMapInfo *info);
unsigned gst_buffer_n_memory(address buffer);
address gst_buffer_peek_memory(address buffer, unsigned index);
address gst_buffer_add_parent_buffer_meta(address buffer, address parent);
gboolean gst_buffer_is_all_memory_writable(address buffer);
void *gst_allocator_alloc(void *allocator, size_t size, void *params);
gboolean gst_memory_map(GstMemory *memory, GstMapInfo *info, int flags);
void gst_memory_unmap(GstMemory *memory, GstMapInfo *info);
gboolean gst_mini_object_is_writable(address object);
address gst_object_get_parent(address object);
void *gst_mini_object_ref(void *object);
void gst_mini_object_unref(void *object);
address gst_mini_object_make_writable(address object);
void *gst_allocator_find(const char *name);
address gst_registry_get(void);
address gst_registry_find_plugin(address registry, const char *name);
const char *gst_plugin_get_version(address plugin);

/* Memory that other processes see as well, and pools of buffers of it */
typedef struct { int flags; size_t align, prefix, padding; } GstAllocationParams;
typedef struct { address object[3]; uint64_t lock; const char *name; address parent; unsigned flags; } GstObject;
GType gst_object_get_type(void);
GType gst_fd_allocator_get_type(void);
address gst_fd_allocator_alloc(address allocator, int file, size_t size, int flags);
int gst_fd_memory_get_fd(address memory);
void gst_memory_resize(address memory, long offset, size_t size);
void gst_mini_object_weak_ref(address object, address notify, address data);
size_t gst_buffer_extract(address buffer, size_t offset, address to, size_t size);
void gst_object_unref(address object);
address gst_buffer_pool_new(void);
address gst_buffer_pool_get_config(address pool);
gboolean gst_buffer_pool_config_get_params(address config, address *caps, unsigned *size, unsigned *least, unsigned *most);
void gst_buffer_pool_config_set_params(address config, address caps, unsigned size, unsigned least, unsigned most);
void gst_buffer_pool_config_set_allocator(address config, address allocator, address params);
gboolean gst_buffer_pool_set_config(address pool, address config);
gboolean gst_buffer_pool_set_active(address pool, gboolean active);
int gst_buffer_pool_acquire_buffer(address pool, address *buffer, address params);

/* Pads: what goes through them */
typedef struct { GstMiniObject mini_object; int type; uint64_t timestamp; unsigned seqnum; } GstEvent;
typedef struct { int type; unsigned long id; address data; uint64_t offset; unsigned size; } GstPadProbeInfo;
typedef struct { GstPadProbeInfo info; int flow; } GstPadProbeEnd; /* with the last field, GST_PAD_PROBE_INFO_FLOW_RETURN */
unsigned long gst_pad_add_probe(address pad, int mask, void *callback, address user_data, void *destroy);
void gst_pad_remove_probe(address pad, unsigned long id);
void gst_pad_set_chain_function_full(address pad, void *function, void *user_data, void *destroy);
void gst_pad_set_query_function_full(address pad, void *function, void *user_data, void *destroy);
void gst_pad_set_activatemode_function_full(address pad, void *function, void *user_data, void *destroy);
gboolean gst_pad_start_task(address pad, void *function, void *user_data, void *destroy);
gboolean gst_pad_pause_task(address pad);
gboolean gst_pad_stop_task(address pad);
int gst_pad_push(address pad, address buffer);
int gst_pad_chain(address pad, address buffer);
unsigned gst_buffer_list_length(address list);
address gst_buffer_list_get(address list, unsigned index);
typedef struct { GstMiniObject mini_object; int type; } GstQuery;
void gst_query_parse_latency(address query, gboolean *live, uint64_t *least, uint64_t *most);
void gst_query_set_latency(address query, gboolean live, uint64_t least, uint64_t most);
void gst_event_parse_caps(address event, address *caps);
address gst_event_new_caps(address caps);
address gst_mini_object_copy(address object);
address gst_caps_get_structure(address caps, unsigned index);
gboolean gst_structure_get_fraction(address structure, const char *field, int *numerator, int *denominator);
GType gst_fraction_get_type(void);

/* Metas */
typedef struct _GstMeta GstMeta;
typedef struct {
    GType api, type; size_t size; void *init, *free;
    gboolean (*transform)(address to, address meta, address from, GQuark type, void *data);
} GstMetaInfo;
struct _GstMeta { unsigned flags; const GstMetaInfo *info; };
typedef struct { gboolean region; size_t offset, size; } GstMetaTransformCopy;
typedef struct {
    GstMeta meta; GQuark roi_type; int id, parent_id; unsigned x, y, w, h; GList *params;
} GstVideoRegionOfInterestMeta;
typedef struct {
    GstMeta meta; GstBuffer *buffer; int flags, format, id; unsigned width, height, n_planes; size_t offset[4]; int stride[4];
} GstVideoMeta;
GstVideoMeta *gst_buffer_add_video_meta_full(
    address buffer, int flags, int format, unsigned width, unsigned height, unsigned planes, const size_t *offsets,
    const int *strides);
typedef struct { address in_info, out_info; } GstVideoMetaTransform;
typedef struct { GstMeta parent; address reference; uint64_t timestamp, duration; } GstReferenceTimestampMeta;
address gst_caps_new_empty_simple(const char *media_type);
address gst_buffer_add_reference_timestamp_meta(address buffer, address reference, uint64_t timestamp, uint64_t duration);
GType gst_reference_timestamp_meta_api_get_type(void);
address gst_buffer_iterate_meta(address buffer, void **state);
address gst_buffer_get_meta(address buffer, GType api);
gboolean gst_buffer_remove_meta(address buffer, address meta);
address gst_buffer_add_meta(address buffer, const GstMetaInfo *info, address parameters);
typedef struct { GstMeta meta; address message; } GstGVAJSONMeta; /* of DL Streamer; g_malloc has the message */
const GstMetaInfo *gst_meta_get_info(const char *name);
const GstMetaInfo *gst_meta_register_custom(const char *name, const char **tags, void *f, void *data, void *destroy);
gboolean gst_meta_api_type_has_tag(GType api, GQuark tag);
address gst_buffer_add_custom_meta(address buffer, const char *name);
typedef struct { GstMeta meta; address structure; } GstCustomMeta;
typedef struct { GstMeta meta; address main_object, owners; } GstHailoMeta; /* of Hailo: a shared_ptr of C++ */
address gst_custom_meta_get_structure(address meta);
GstVideoRegionOfInterestMeta *gst_buffer_add_video_region_of_interest_meta(
    address buffer, const char *type, unsigned x, unsigned y, unsigned w, unsigned h);
void gst_video_region_of_interest_meta_add_param(GstVideoRegionOfInterestMeta *meta, address structure);
GType gst_video_region_of_interest_meta_api_get_type(void);
GType gst_video_meta_api_get_type(void);

/* Structures */
address gst_structure_new_empty(const char *name);
void gst_structure_free(address structure);
void gst_structure_set(address structure, const char *field, ...);
void gst_structure_set_value(address structure, const char *field, address value);
address gst_structure_get_value(address structure, const char *field);
const char *gst_structure_get_string(address structure, const char *field);
GQuark gst_structure_get_name_id(address structure);

/* The debug log */
extern int _gst_debug_min;
void *_gst_debug_category_new(const char *name, unsigned color, const char *description);
int gst_debug_category_get_threshold(void *category);
void gst_debug_category_set_threshold(void *category, int level);
void gst_debug_log_literal(
    void *category, int level, const char *file, const char *function, int line, void *object, const char *message);

/* GstAnalytics, since GStreamer 1.24 */
typedef struct { unsigned id; void *meta; } GstAnalyticsMtd;
GType gst_analytics_relation_meta_api_get_type(void);
void *gst_buffer_add_analytics_relation_meta(address buffer);
size_t gst_analytics_relation_get_length(void *meta);
gboolean gst_analytics_relation_meta_get_od_mtd(void *meta, unsigned id, GstAnalyticsMtd *found);
gboolean gst_analytics_relation_meta_get_direct_related(
    void *meta, unsigned id, int relation, uintptr_t type, void **state, GstAnalyticsMtd *found);
GQuark gst_analytics_od_mtd_get_obj_type(const GstAnalyticsMtd *mtd);
gboolean gst_analytics_od_mtd_get_location(const GstAnalyticsMtd *mtd, int *x, int *y, int *w, int *h, float *confidence);
gboolean gst_analytics_tracking_mtd_get_info(
    const GstAnalyticsMtd *mtd, uint64_t *id, uint64_t *first_seen, uint64_t *last_seen, gboolean *lost);
size_t gst_analytics_cls_mtd_get_length(const GstAnalyticsMtd *mtd);
float gst_analytics_cls_mtd_get_level(const GstAnalyticsMtd *mtd, size_t index);
GQuark gst_analytics_cls_mtd_get_quark(const GstAnalyticsMtd *mtd, size_t index);
uintptr_t gst_analytics_tracking_mtd_get_mtd_type(void);
uintptr_t gst_analytics_cls_mtd_get_mtd_type(void);
gboolean gst_analytics_relation_meta_add_od_mtd(
    void *meta, GQuark type, int x, int y, int w, int h, float confidence, GstAnalyticsMtd *added);
gboolean gst_analytics_relation_meta_add_tracking_mtd(void *meta, uint64_t id, uint64_t first_seen, GstAnalyticsMtd *added);
gboolean gst_analytics_relation_meta_add_cls_mtd(
    void *meta, size_t length, float *confidences, GQuark *quarks, GstAnalyticsMtd *added);
typedef struct {
    const char *name; gboolean (*mtd_meta_transform)(address to, GstAnalyticsMtd *mtd, address from, GQuark type, void *data);
    void *mtd_meta_clear, *reserved[20];
} GstAnalyticsMtdImpl;
uintptr_t gst_analytics_mtd_get_mtd_type(const GstAnalyticsMtd *mtd);
size_t gst_analytics_mtd_get_size(const GstAnalyticsMtd *mtd);
uintptr_t gst_analytics_od_mtd_get_mtd_type(void);
gboolean gst_analytics_od_mtd_get_oriented_location(
    const GstAnalyticsMtd *mtd, int *x, int *y, int *w, int *h, float *r, float *confidence);
gboolean gst_analytics_relation_meta_get_mtd(void *meta, unsigned id, uintptr_t type, GstAnalyticsMtd *found);
void *gst_analytics_relation_meta_get_mtd_data(void *meta, unsigned id);
int gst_analytics_relation_meta_get_relation(void *meta, unsigned from, unsigned to);
void *gst_analytics_relation_meta_add_mtd(void *meta, uintptr_t type, size_t size, GstAnalyticsMtd *added);
gboolean gst_analytics_relation_meta_add_oriented_od_mtd(
    void *meta, GQuark type, int x, int y, int w, int h, float r, float confidence, GstAnalyticsMtd *added);
gboolean gst_analytics_relation_meta_set_relation(void *meta, int relation, unsigned from, unsigned to);
gboolean gst_analytics_relation_meta_iterate(void *meta, void **state, uintptr_t type, GstAnalyticsMtd *found);
/* since 1.26 */
typedef struct {
    GQuark id; int layout, data_type; address data; int dims_order; size_t num_dims; size_t dims[];
} GstTensor;
typedef struct { GstMeta meta; size_t num_tensors; address tensors; } GstTensorMeta;
GType gst_tensor_meta_api_get_type(void);
uintptr_t gst_analytics_segmentation_mtd_get_mtd_type(void);
address gst_analytics_segmentation_mtd_get_mask(const GstAnalyticsMtd *mtd, int *x, int *y, unsigned *w, unsigned *h);
gboolean gst_analytics_relation_meta_add_segmentation_mtd(
    void *meta, address buffer, int type, size_t count, unsigned *regions, int x, int y, unsigned w, unsigned h,
    GstAnalyticsMtd *added);
size_t gst_analytics_segmentation_mtd_get_region_count(const GstAnalyticsMtd *mtd);
unsigned gst_analytics_segmentation_mtd_get_region_id(const GstAnalyticsMtd *mtd, size_t index);

/* DeepStream: what libnvds_meta.so does, and the beginnings of its structures, which lie so in all versions from 5.0 to 9.1. What
 * differs by version is in deepstream.py: a NvDsObjectMeta9 is one of 9.0 and later. */
typedef struct { GstMeta meta; address meta_data, user_data; int meta_type; } NvDsMeta;
typedef struct { address batch_meta; int meta_type; address uContext, copy_func, release_func; } NvDsBaseMeta;
typedef struct { unsigned meta_type, max_elements_in_pool, element_size; } NvDsMetaPool;
typedef struct {
    NvDsBaseMeta base_meta; unsigned max_frames_in_batch, num_frames_in_batch;
    address frame_meta_pool, obj_meta_pool, classifier_meta_pool, display_meta_pool, user_meta_pool, label_info_meta_pool;
    address frame_meta_list, batch_user_meta_list; uint64_t meta_mutex[2]; /* a GRecMutex */
} NvDsBatchMeta;
typedef struct {
    NvDsBaseMeta base_meta; unsigned pad_index, batch_id; int frame_num; uint64_t buf_pts, ntp_timestamp;
    unsigned source_id, num_surfaces_per_frame, source_frame_width, source_frame_height, surface_type, surface_index;
    unsigned num_obj_meta; int bInferDone; address obj_meta_list, display_meta_list, frame_user_meta_list;
} NvDsFrameMeta;
typedef struct { float left, top, width, height; } NvBbox_Coords;
typedef struct { double red, green, blue, alpha; } NvOSD_ColorParams;
typedef struct {
    float left, top, width, height; unsigned border_width; NvOSD_ColorParams border_color; unsigned has_bg_color, reserved;
    NvOSD_ColorParams bg_color; int has_color_info, color_id;
} NvOSD_RectParams;
typedef struct {
    address display_text; unsigned x_offset, y_offset;
    struct { address font_name; unsigned font_size; NvOSD_ColorParams font_color; } font_params;
    int set_bg_clr; NvOSD_ColorParams text_bg_clr;
} NvOSD_TextParams;
typedef struct {
    NvDsBaseMeta base_meta; address parent; int unique_component_id, class_id; uint64_t object_id;
    NvBbox_Coords detector_bbox_info, tracker_bbox_info; float confidence, tracker_confidence; NvOSD_RectParams rect_params;
} NvDsObjectHead; /* the beginning of a NvDsObjectMeta, and what lies behind its mask; its rect_params grew with 9.0 */
typedef struct { NvOSD_TextParams text_params; char obj_label[128]; address classifier_meta_list, obj_user_meta_list; } NvDsObjectTail;
typedef struct { address data; unsigned size; float threshold; unsigned width, height; } NvOSD_MaskParams;
typedef struct { NvDsObjectHead head; NvOSD_MaskParams mask_params; NvDsObjectTail tail; } NvDsObjectMeta;
typedef struct { NvDsObjectHead head; float rotation_angle; NvOSD_MaskParams mask_params; NvDsObjectTail tail; } NvDsObjectMeta9;
typedef struct { NvDsBaseMeta base_meta; unsigned num_labels; int unique_component_id; address label_info_list; } NvDsClassifierMeta;
typedef struct {
    NvDsBaseMeta base_meta; int num_classes; char result_label[128]; address pResult_label;
    int result_class_id, label_id; float result_prob;
} NvDsLabelInfo;
typedef struct { NvDsBaseMeta base_meta; address user_meta_data; } NvDsUserMeta;
typedef struct {
    int type, objType; float bbox[4]; double location[3], coordinate[3]; address objSignature[2];
    int objClassId, sensorId, moduleId, placeId, componentId, frameId; double confidence; uint64_t trackingId;
    address ts, objectId;
} NvDsEventMsgMeta;
typedef struct { address message; unsigned size; } NvDsCustomMsgInfo;
typedef struct {
    unsigned unique_id, num_output_layers; address output_layers_info, out_buf_ptrs_host, out_buf_ptrs_dev; unsigned gpu_id;
    address priv_data;
} NvDsInferTensorMeta;
typedef struct {
    int dataType; unsigned numDims, d[8], numElements; int bindingIndex; address layerName, buffer; int isInput;
} NvDsInferLayerInfo;
typedef struct { unsigned classes, width, height; address class_map, class_probabilities_map, priv_data; } NvDsInferSegmentationMeta;
int nvds_get_user_meta_type(const char *name);
address nvds_acquire_user_meta_from_pool(address batch);
address nvds_acquire_obj_meta_from_pool(address batch);
address nvds_acquire_classifier_meta_from_pool(address batch);
address nvds_acquire_label_info_meta_from_pool(address batch);
void nvds_add_user_meta_to_batch(address batch, address user);
void nvds_add_user_meta_to_frame(address frame, address user);
void nvds_add_user_meta_to_obj(address object, address user);
void nvds_add_obj_meta_to_frame(address frame, address object, address parent);
void nvds_add_classifier_meta_to_object(address object, address classifier);
void nvds_add_label_info_meta_to_classifier(address classifier, address label);
void nvds_remove_user_meta_from_batch(address batch, address user);
void nvds_remove_user_meta_from_frame(address frame, address user);

/* NVIDIA's surfaces: NvBufSurface as nvbufsurface.h of DeepStream 5.0 to 9.1 has it, and what a Jetson takes of libnvbufsurface. */
typedef struct { unsigned gpuId, batchSize, numFilled; uint8_t isContiguous; unsigned memType; address surfaceList; } NvBufSurface;
typedef struct {
    unsigned width, height, pitch, colorFormat, layout; uint64_t bufferDesc; unsigned dataSize; address dataPtr;
    struct { unsigned num_planes, width[4], height[4], pitch[4], offset[4]; } planeParams; uint8_t unread[196];
    address eglImage; uint8_t unread_too[56]; address cudaBuffer;
} NvBufSurfaceParams;
typedef struct { address basePtr, dataPtr; } NvBufSurfaceCudaBuffer;
int NvBufSurfaceMapEglImage(address surface, int index);
int NvBufSurfaceUnMapEglImage(address surface, int index);

/* CUDA's driver, libcuda.so.1. Structures lie as in cuda.h and cudaEGL.h of CUDA 10 to 13. */
typedef struct {
    size_t srcXInBytes, srcY; int srcMemoryType; address srcHost, srcDevice, srcArray; size_t srcPitch;
    size_t dstXInBytes, dstY; int dstMemoryType; address dstHost, dstDevice, dstArray; size_t dstPitch;
    size_t WidthInBytes, Height;
} CUDA_MEMCPY2D;
typedef struct {
    address planes[3]; unsigned width, height, depth, pitch, planeCount, numChannels; int frameType, eglColorFormat, cuFormat;
} CUeglFrame;
int cuInit(unsigned flags);
int cuGetErrorName(int error, const char **name);
int cuGetErrorString(int error, const char **text);
int cuDriverGetVersion(int *version);
int cuDeviceGetCount(int *count);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetName(char *name, int length, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuCtxPushCurrent_v2(void *context);
int cuCtxPopCurrent_v2(void **context);
int cuCtxSynchronize(void);
int cuStreamSynchronize(address stream);
int cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy);
int cuGraphicsEGLRegisterImage(address *resource, address image, unsigned flags);
int cuGraphicsResourceGetMappedEglFrame(CUeglFrame *frame, address resource, unsigned index, unsigned level);
int cuGraphicsUnregisterResource(address resource);

/* DLPack's descriptions of memory, of version 1.0 and before it. Shape and strides are arrays of int64_t, in elements. */
typedef struct {
    address data; int device_type, device_id, ndim; uint8_t type_code, type_bits; uint16_t type_lanes;
    address shape, strides; uint64_t byte_offset;
} DLTensor;
typedef struct { DLTensor dl_tensor; address manager_ctx, deleter; } DLManagedTensor;
typedef struct {
    unsigned version_major, version_minor; address manager_ctx, deleter; uint64_t flags; DLTensor dl_tensor;
} DLManagedTensorVersioned;

/* emcustom's interface of compiled libraries. Their functions are looked up by dlsym, not declared: three versions of the interface
 * have functions of the same names. */
typedef struct { address data; int stride; } video_channel;
typedef struct { int video_format, width, height; video_channel channels[3]; } video_data;
address dlopen(const char *file, int flags);
address dlsym(address library, const char *name);
char *dlerror(void);
void free(void *memory);
