import { launch } from '../cli/launch.js'

launch(import('../sources/image-cat.js'))
