# SPDX-License-Identifier: Apache-2.0
# Pieces of the writer by themselves. Included by CMakeLists.txt of this folder.
foreach(name index file)
	add_executable(test_${name} ${CMAKE_CURRENT_LIST_DIR}/test_${name}.c
		$<TARGET_OBJECTS:segment_writer>)
	target_include_directories(test_${name} PRIVATE
		$<TARGET_PROPERTY:segment_writer,INTERFACE_INCLUDE_DIRECTORIES>)
	target_link_libraries(test_${name} PRIVATE cmocka Threads::Threads)
	add_test(NAME unit-segment-${name} COMMAND test_${name})
	set_tests_properties(unit-segment-${name} PROPERTIES TIMEOUT 120)
endforeach()
# The writer with its readers, in one process.
add_library(writer_fixture STATIC ${CMAKE_CURRENT_LIST_DIR}/writer_fixture.c
	$<TARGET_OBJECTS:segment_writer>)
target_link_libraries(writer_fixture PUBLIC build_segment segment_replay)
target_include_directories(writer_fixture PUBLIC
	$<TARGET_PROPERTY:segment_writer,INTERFACE_INCLUDE_DIRECTORIES>)
foreach(name repeats subject replay keep trim)
	segment_test(${name} LINK writer_fixture)
endforeach()
segment_test(stream stream_collect.c LINK writer_fixture)
segment_test(moves stream_collect.c LINK writer_fixture)
