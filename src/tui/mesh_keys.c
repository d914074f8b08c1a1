/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the mesh screen: from tile to tile as they lie in their meshes, and into a device. */
#include "mesh_figures.h"
#include "meshes.h"
#include "screens.h"

enum { PAGE_ROWS = 4 };

/* A mesh, or the devices in none below each other. */
struct key_grid {
	const uint32_t *devices;
	int rows, columns;
};

struct key_grids {
	VEC(struct key_grid) grids;
	uint32_t device_count;
};

struct key_place {
	int grid, row, column;
};

static void grids_make(struct key_grids *grids, const struct meshes *meshes,
                       const struct look *look)
{
	size_t per_line = look->ui->lists[SCREEN_MESH].seen; /* as drawn last */
	const struct mesh *mesh;

	*grids = (struct key_grids){.device_count = machine_chips(&look->reading->scene.machine)};
	vec_for (mesh, &meshes->meshes) {
		struct key_grid grid = {mesh->devices, (int)mesh->rows, (int)mesh->columns};

		/* Folded, up and down lead to the next line of it. */
		if (mesh->rows == 1 && per_line != 0 && per_line < mesh->columns) {
			grid.columns = (int)per_line;
			grid.rows = (int)((mesh->columns + per_line - 1) / per_line);
		}
		*vec_add(&grids->grids) = grid;
	}
	if (meshes->unconnected.count != 0)
		*vec_add(&grids->grids) = (struct key_grid){meshes->unconnected.items,
		                                            (int)meshes->unconnected.count, 1};
}

static uint32_t device_at(const struct key_grids *grids, const struct meshes *meshes,
                          struct key_place place)
{
	const struct key_grid *grid = &grids->grids.items[place.grid];
	size_t number = (size_t)place.row * (size_t)grid->columns + (size_t)place.column;
	size_t count = (size_t)place.grid < meshes->meshes.count
	                       ? (size_t)meshes->meshes.items[place.grid].rows *
	                                 meshes->meshes.items[place.grid].columns
	                       : meshes->unconnected.count;

	return number < count ? grid->devices[number] : UINT32_MAX;
}

/* The first place that has the device: a device may be in more than one mesh. */
static bool find_device(const struct key_grids *grids, const struct meshes *meshes, uint32_t device,
                        struct key_place *ret_place)
{
	struct key_place at;

	for (at.grid = 0; at.grid < (int)grids->grids.count; at.grid++)
		for (at.row = 0; at.row < grids->grids.items[at.grid].rows; at.row++)
			for (at.column = 0; at.column < grids->grids.items[at.grid].columns;
			     at.column++)
				if (device_at(grids, meshes, at) == device) {
					*ret_place = at;
					return true;
				}
	return false;
}

/* One step; rows go on in the next mesh, columns in the next row. False: that was the last. */
static bool step(const struct key_grids *grids, struct key_place *place, int down, int right)
{
	const struct key_grid *grid = &grids->grids.items[place->grid];

	place->row += down;
	place->column += right;
	if (place->column < 0 || place->column >= grid->columns) {
		place->row += right;
		place->column = right > 0 ? 0 : grid->columns - 1;
	}
	if (place->row >= 0 && place->row < grid->rows)
		return true;
	place->grid += place->row < 0 ? -1 : 1;
	if (place->grid < 0 || place->grid >= (int)grids->grids.count)
		return false;
	grid = &grids->grids.items[place->grid];
	place->row = place->row < 0 ? grid->rows - 1 : 0;
	if (right != 0)
		place->column = right > 0 ? 0 : grid->columns - 1;
	place->column = place->column < grid->columns ? place->column : grid->columns - 1;
	return true;
}

/* To the next device in a direction that is here, passed by no mesh before. */
static bool move(const struct key_grids *grids, const struct meshes *meshes,
                 struct key_place *place, int down, int right)
{
	struct key_place at = *place, home;

	while (step(grids, &at, down, right)) {
		uint32_t device = device_at(grids, meshes, at);

		if (device < grids->device_count && find_device(grids, meshes, device, &home) &&
		    home.grid == at.grid) {
			*place = at;
			return true;
		}
	}
	return false;
}

static void move_selection(struct ui *ui, const struct look *look, int down, int right, int times)
{
	struct key_place place = {0, 0, 0};
	struct meshes meshes = {0};
	struct key_grids grids;

	meshes_find(&meshes, &look->reading->scene.machine);
	grids_make(&grids, &meshes, look);
	if (grids.grids.count != 0) {
		find_device(&grids, &meshes, look_device(look), &place);
		while (times-- > 0 && move(&grids, &meshes, &place, down, right))
			continue;
		ui_set_device(ui, look->reading, device_at(&grids, &meshes, place));
	}
	vec_finish(&grids.grids);
	meshes_finish(&meshes);
}

static bool tile_key(struct ui *ui, const struct look *look, uint32_t key)
{
	switch (key) {
	case KEY_LEFT:
		move_selection(ui, look, 0, -1, 1);
		return true;
	case KEY_RIGHT:
		move_selection(ui, look, 0, 1, 1);
		return true;
	case KEY_UP:
	case 'k':
		move_selection(ui, look, -1, 0, 1);
		return true;
	case KEY_DOWN:
	case 'j':
		move_selection(ui, look, 1, 0, 1);
		return true;
	case KEY_PAGE_UP:
		move_selection(ui, look, -1, 0, PAGE_ROWS);
		return true;
	case KEY_PAGE_DOWN:
		move_selection(ui, look, 1, 0, PAGE_ROWS);
		return true;
	case KEY_HOME:
	case 'g':
		move_selection(ui, look, 0, -1, INT32_MAX);
		return true;
	case KEY_END:
	case 'G':
		move_selection(ui, look, 0, 1, INT32_MAX);
		return true;
	default:
		return false;
	}
}

/* The next kind that has a capacity on some device: what heat maps and address maps show. */
void ui_next_kind(struct ui *ui, const struct look *look)
{
	struct mesh_figures figures;
	uint32_t now;

	figures_make(&figures, look);
	now = figures_main_kind(&figures, ui);
	for (size_t i = 0; i < figures.bar_count; i++)
		if (figures.shown[i] == now) {
			ui->map_kind = figures.shown[(i + 1) % figures.bar_count];
			break;
		}
	figures_finish(&figures);
}

static void open_device(struct ui *ui, const struct look *look, const struct sheet *sheet)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_MESH]);

	if (ui->mesh_as_list && row != NULL)
		ui_set_device(ui, look->reading, (uint32_t)row->values[0].number);
	else
		ui_set_device(ui, look->reading, look_device(look));
	ui_open(ui, SCREEN_DEVICE);
}

bool mesh_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
              struct ui_wish *wish)
{
	(void)wish;
	switch (key) {
	case KEY_ENTER:
		if (machine_chips(&look->reading->scene.machine) != 0)
			open_device(ui, look, sheet);
		return true;
	case 'l':
		ui->mesh_as_list = !ui->mesh_as_list;
		return true;
	case 'v':
		ui_next_kind(ui, look);
		return true;
	default:
		return !ui->mesh_as_list && tile_key(ui, look, key);
	}
}
